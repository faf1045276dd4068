// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// Names of members in bodies of Azure's service, which takes them in any case:
// its own samples in C# write them with a capital.
const (
	azureRuntimeData  = "runtimeData"
	azureInitTimeData = "initTimeData"
	azureBytes        = "data"
	azureDataType     = "dataType"
	// azureHeldData is what runtime data were in the preview of 2018, beside a
	// quote that could be a report.
	azureHeldData = "enclaveHeldData"
)

// azureNames are the names on the two levels of a body.
func azureNames(nested bool) []string {
	if nested {
		return []string{azureBytes, azureDataType}
	}
	return []string{"quote", "report", azureRuntimeData, azureInitTimeData, "draftPolicyForAttestation", "nonce", azureHeldData}
}

// azureTypes are the values of dataType.
func azureTypes() []string { return []string{"Binary", "JSON"} }

// readingAzure makes a call read its body as Azure's service does. name is that of
// the member which holds the evidence.
func readingAzure(op huma.Operation, name string) huma.Operation {
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		if a, ok := ctx.(*answer); ok {
			a.requestContext = &azureRequest{a.requestContext, name}
		}
		next(ctx)
	})
	return op
}

// azureRequest is a request whose body is as Azure's service takes it.
type azureRequest struct {
	requestContext
	name string
}

// Unwrap lets humago find the request.
func (a *azureRequest) Unwrap() huma.Context { return a.requestContext }

// BodyReader implements [huma.Context].
func (a *azureRequest) BodyReader() io.Reader {
	from := a.requestContext.BodyReader()
	if from == nil {
		return nil
	}
	return &azureReader{from: from, most: a.Operation().MaxBodyBytes, name: a.name}
}

// azureReader reads a body once it is asked for, and rewrites it.
type azureReader struct {
	from io.Reader
	most int64
	name string
	body io.Reader
}

func (r *azureReader) Read(p []byte) (int, error) {
	if r.body == nil {
		b, err := io.ReadAll(io.LimitReader(r.from, r.most))
		if err != nil {
			return 0, err
		}
		r.body = bytes.NewReader(plainAzure(b, r.name))
	}
	return r.body.Read(p)
}

// Close ends the body that is read.
func (r *azureReader) Close() error {
	if c, ok := r.from.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// plainAzure returns a body with the names and types of today's version of the
// service, which the call then takes or refuses. name is that of the member which
// holds the evidence. What is no JSON object stays as it is, and so does a name
// that stands twice: both are refused later on.
func plainAzure(body []byte, name string) []byte {
	all, ok := membersOf(body, azureNames(false))
	if !ok {
		return body
	}
	held := false
	for i := range all {
		switch m := &all[i]; m.name {
		case azureRuntimeData, azureInitTimeData:
			m.value = plainData(m.value)
		case azureHeldData:
			held = true
			m.name, m.value = azureRuntimeData, written([]member{{azureBytes, m.value}})
		}
	}
	for i := range all {
		if held && all[i].name == "quote" {
			all[i].name = name
		}
	}
	return written(all)
}

// plainData is plainAzure of what runtimeData and initTimeData hold.
func plainData(value []byte) []byte {
	all, ok := membersOf(value, azureNames(true))
	if !ok {
		return value
	}
	for i := range all {
		if m := &all[i]; m.name == azureDataType {
			for _, known := range azureTypes() {
				if quoted := strconv.Quote(known); strings.EqualFold(string(m.value), quoted) {
					m.value = []byte(quoted)
				}
			}
		}
	}
	return written(all)
}

// member is one of a JSON object, its value as it was sent.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf returns the members of a JSON object in their order. Those that differ
// from one of the names in the case of letters alone have that name.
func membersOf(object []byte, names []string) ([]member, bool) {
	if !json.Valid(object) || !utf8.Valid(object) || !bytes.HasPrefix(bytes.TrimSpace(object), []byte{'{'}) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, false
	}
	var all []member
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		m := member{name: name}
		if err == nil {
			err = dec.Decode(&m.value)
		}
		if err != nil || !ok {
			return nil, false
		}
		for _, known := range names {
			// Letters that are not ASCII take more bytes.
			if len(name) == len(known) && strings.EqualFold(name, known) {
				m.name = known
			}
		}
		all = append(all, m)
	}
	return all, true
}

// written writes an object.
func written(all []member) []byte {
	out := []byte{'{'}
	for i, m := range all {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			continue // a string always has a form in JSON
		}
		out = append(append(append(out, name...), ':'), m.value...)
	}
	return append(out, '}')
}
