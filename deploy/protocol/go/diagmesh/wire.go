// Package diagmesh speaks the protocol of diagmesh (see ../../README.md): it asks a mesh over NATS, and it is what an
// agent written in Go needs to answer. It is an example to start from, in plain nats.go.
package diagmesh

import (
	"encoding/json"
	"fmt"
	"time"
)

// Names and limits of the wire.
const (
	Version         = 1
	Queue           = "diag"
	QuestionLimit   = 64 << 10
	MessageLimit    = 512 << 10
	ChunkedLimit    = 16 << 20
	MostChunks      = 64
	headroom        = 1 << 10
	ErrorHeader     = "Nats-Service-Error"
	ErrorCodeHeader = "Nats-Service-Error-Code"
	ChunkHeader     = "Diag-Chunk"
	IDHeader        = "Diag-Chunk-Id"
	SizeHeader      = "Diag-Chunk-Size"
	DigestHeader    = "Diag-Chunk-Sha256"
	FromHeader      = "Diag-From"
)

// Question is a request body. Ask adds timeout_ms (from the deadline of the context) and chunks.
type Question map[string]any

// Reply is the envelope of every reply; Answer stays raw until its kind is known. Fields that are not named here are
// ignored, as those of a newer version must be.
type Reply struct {
	V          int             `json:"v"`
	Service    string          `json:"service"`
	Instance   string          `json:"instance"`
	Boot       string          `json:"boot,omitempty"`
	Host       string          `json:"host,omitempty"`
	Kind       string          `json:"kind"`
	Status     string          `json:"status"`
	ObservedAt *time.Time      `json:"observed_at,omitempty"`
	TookMs     float64         `json:"took_ms,omitempty"`
	Answer     json.RawMessage `json:"answer,omitempty"`
	Problem    *Problem        `json:"problem,omitempty"`
	Findings   json.RawMessage `json:"findings,omitempty"`
}

// From is who replied, as in FromHeader.
func (r *Reply) From() string { return r.Service + "/" + r.Instance }

// Into decodes the answer; where there is none, the error is the *Problem.
func (r *Reply) Into(answer any) error {
	if r.Problem != nil {
		return r.Problem
	}
	if err := json.Unmarshal(r.Answer, answer); err != nil {
		return fmt.Errorf("the answer of %s: %w", r.From(), err)
	}
	return nil
}

// Problem says why there is no answer, and what to do about it.
type Problem struct {
	Code   int    `json:"code"`
	Name   string `json:"error"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s: %s (%s)", p.Code, p.Name, p.Detail, p.Hint)
}

// Sum is the answer to diag.mesh.<kind>: many replies added up.
type Sum struct {
	Of       string         `json:"of"`
	Expected int            `json:"expected"`
	Answered int            `json:"answered"`
	Ended    string         `json:"ended"`
	ByStatus map[string]int `json:"by_status"`
	Silent   []Silent       `json:"silent"`
	Each     []*Reply       `json:"each"`
	Notes    []string       `json:"notes"`
}

// Silent is somebody who was expected and not heard.
type Silent struct {
	Service  string `json:"service"`
	Instance string `json:"instance"`
	Reason   string `json:"reason"`
}

// Directory is the part of the answer to diag.mesh.services that tells who is expected.
type Directory struct {
	Ended    string `json:"ended"`
	Services []struct {
		Service   string `json:"service"`
		Instances []struct {
			Instance string `json:"instance"`
			State    string `json:"state"`
		} `json:"instances"`
	} `json:"services"`
}

// Heartbeat tells that an instance is there; its name is in the subject.
type Heartbeat struct {
	V         int               `json:"v"`
	Boot      string            `json:"boot"`
	N         int               `json:"n"`
	IntervalS float64           `json:"interval_s"`
	Server    string            `json:"server,omitempty"`
	Host      string            `json:"host,omitempty"`
	Kinds     []string          `json:"kinds,omitempty"`
	Version   string            `json:"version,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Bye       bool              `json:"bye,omitempty"`
}
