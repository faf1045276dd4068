// SPDX-License-Identifier: Apache-2.0

// Package secretfile reads and replaces files that hold secrets, or that guard
// them: keys, lists of tokens. What others may use is no secret, so a file whose
// mode lets them is refused, with [ErrMode].
//
// There are two kinds. A program's own files have mode 0600. Files that somebody
// hands to it, such as a key that a service manager or a container engine puts
// in its way, may also be readable for the group by which it is let in, as long
// as they belong to somebody else. Where modes are not those of Unix, they say
// nothing about others, and nothing is checked.
package secretfile
