// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

// dropProgramPages is for Linux alone.
func dropProgramPages() {}
