// Command asker asks a mesh what any Go service could ask it, decodes the answers into plain structs and prints what it
// understood as one JSON object.
//
// Usage: asker URL SERVICE
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

const patience = 5 * time.Second

// Reply is the envelope of every answer; Answer stays raw until its kind is known.
type Reply struct {
	V          int             `json:"v"`
	Service    string          `json:"service"`
	Instance   string          `json:"instance"`
	Boot       string          `json:"boot"`
	Host       string          `json:"host"`
	Kind       string          `json:"kind"`
	Status     string          `json:"status"`
	ObservedAt time.Time       `json:"observed_at"`
	TookMs     float64         `json:"took_ms"`
	Answer     json.RawMessage `json:"answer"`
	Problem    *Problem        `json:"problem"`
}

// Problem says why there is no answer.
type Problem struct {
	Code   int    `json:"code"`
	Error  string `json:"error"`
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
}

// Health is the part of a health answer that this program cares for.
type Health struct {
	State  string  `json:"state"`
	Reason string  `json:"reason"`
	Pid    int     `json:"pid"`
	Uptime float64 `json:"uptime_s"`
}

// MeshAnswer is what a coordinator adds up.
type MeshAnswer struct {
	Of       string         `json:"of"`
	Expected int            `json:"expected"`
	Answered int            `json:"answered"`
	Ended    string         `json:"ended"`
	ByStatus map[string]int `json:"by_status"`
	Silent   []struct {
		Service  string `json:"service"`
		Instance string `json:"instance"`
		Reason   string `json:"reason"`
	} `json:"silent"`
}

// Heard is one reply as this program understood it.
type Heard struct {
	Service, Instance, Kind, Status string
	ObservedSecondsAgo              float64
	HasBoot                         bool
	Health                          *Health
	Mesh                            *MeshAnswer
	Problem                         *Problem
	ErrorCode, Error                string
}

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: asker URL SERVICE"))
	}
	nc, err := nats.Connect(os.Args[1], nats.Name("asker"), nats.Timeout(patience))
	if err != nil {
		fail(err)
	}
	defer nc.Close()
	service := os.Args[2]
	heard := map[string][]Heard{
		"one":        {ask(nc, "diag."+service+".health", "")},
		"all":        askAll(nc, "diag."+service+".health.all"),
		"mesh":       {ask(nc, "diag.mesh.health", `{"services": ["`+service+`"]}`)},
		"wrong kind": {ask(nc, "diag."+service+".no-such-kind", "")},
		"wrong body": {ask(nc, "diag."+service+".health", `{"timeout_ms": "soon"}`)},
	}
	if err := json.NewEncoder(os.Stdout).Encode(heard); err != nil {
		fail(err)
	}
}

func ask(nc *nats.Conn, subject, body string) Heard {
	msg, err := nc.Request(subject, []byte(body), patience)
	if err != nil {
		fail(fmt.Errorf("%s: %w", subject, err))
	}
	return understand(msg)
}

// askAll publishes once and listens until nothing has come for half a second.
func askAll(nc *nats.Conn, subject string) []Heard {
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		fail(err)
	}
	if err := nc.PublishRequest(subject, inbox, nil); err != nil {
		fail(err)
	}
	var heard []Heard
	wait := patience
	for {
		msg, err := sub.NextMsg(wait)
		if err != nil {
			return heard
		}
		heard = append(heard, understand(msg))
		wait = 500 * time.Millisecond
	}
}

func understand(msg *nats.Msg) Heard {
	var reply Reply
	if err := json.Unmarshal(msg.Data, &reply); err != nil {
		fail(fmt.Errorf("%s: %w in %q", msg.Subject, err, msg.Data))
	}
	heard := Heard{
		Service: reply.Service, Instance: reply.Instance, Kind: reply.Kind, Status: reply.Status,
		ObservedSecondsAgo: time.Since(reply.ObservedAt).Seconds(), HasBoot: reply.Boot != "", Problem: reply.Problem,
		ErrorCode: msg.Header.Get("Nats-Service-Error-Code"), Error: msg.Header.Get("Nats-Service-Error"),
	}
	switch {
	case reply.Answer == nil:
	case reply.Service == "mesh":
		heard.Mesh = decode[MeshAnswer](reply.Answer)
	default:
		heard.Health = decode[Health](reply.Answer)
	}
	return heard
}

func decode[T any](raw json.RawMessage) *T {
	var value T
	if err := json.Unmarshal(raw, &value); err != nil {
		fail(fmt.Errorf("%w in %s", err, raw))
	}
	return &value
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "asker:", err)
	os.Exit(1)
}
