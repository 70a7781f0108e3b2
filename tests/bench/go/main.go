// Command peer is the Go side of the bench.
//
// Usage:
//
//	peer respond URL SUBJECT
//	peer micro URL SUBJECT
//	peer gather URL SUBJECT N ROUNDS std|jsoniter
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"syscall"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const (
	patience = 10 * time.Second
	warmUps  = 3
)

// Reply is the envelope; the answer stays encoded until somebody asks for its type, as with us.
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
}

// Check and Health are what the responder answers.
type Check struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Verdict  string `json:"verdict"`
	Required bool   `json:"required"`
	Target   string `json:"target"`
}

type Health struct {
	State     string    `json:"state"`
	Reason    string    `json:"reason"`
	Pid       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	UptimeS   float64   `json:"uptime_s"`
	Checks    []Check   `json:"checks"`
}

// Rounds is what the gatherer reports; CPU is that of its own process only.
type Rounds struct {
	Rounds        int     `json:"rounds"`
	Replies       int     `json:"replies"`
	P50Ms         float64 `json:"p50_ms"`
	P99Ms         float64 `json:"p99_ms"`
	CPUUsPerReply float64 `json:"cpu_us_per_reply"`
}

func main() {
	if len(os.Args) < 4 {
		fail(fmt.Errorf("usage: peer respond|micro URL SUBJECT | peer gather URL SUBJECT N ROUNDS std|jsoniter"))
	}
	nc, err := nats.Connect(os.Args[2], nats.Name("peer"))
	check(err)
	switch os.Args[1] {
	case "respond":
		respond(nc, os.Args[3])
	case "micro":
		serve(nc, os.Args[3])
	case "gather":
		count, err := strconv.Atoi(os.Args[4])
		check(err)
		rounds, err := strconv.Atoi(os.Args[5])
		check(err)
		decode := json.Unmarshal
		if os.Args[6] == "jsoniter" {
			decode = jsoniter.ConfigCompatibleWithStandardLibrary.Unmarshal
		}
		check(json.NewEncoder(os.Stdout).Encode(gather(nc, os.Args[3], count, rounds, decode)))
	}
}

func respond(nc *nats.Conn, subject string) {
	started := time.Now()
	_, err := nc.Subscribe(subject, func(msg *nats.Msg) { check(msg.Respond(reply(started))) })
	check(err)
	select {}
}

func serve(nc *nats.Conn, subject string) {
	started := time.Now()
	handler := micro.HandlerFunc(func(req micro.Request) { check(req.Respond(reply(started))) })
	_, err := micro.AddService(nc, micro.Config{
		Name: "peer", Version: "1.0.0", Endpoint: &micro.EndpointConfig{Subject: subject, Handler: handler},
	})
	check(err)
	select {}
}

// reply is what a request is answered with, encoded anew for each.
func reply(started time.Time) []byte {
	health := Health{
		State: "up", Reason: "the process is there and every door opens", Pid: 4242, StartedAt: started, UptimeS: 86400.5,
		Checks: []Check{
			{"process", "process", "pass", true, "pid 4242"},
			{"door", "http", "pass", true, "http://127.0.0.1:8080/healthz"},
		},
	}
	answer, err := json.Marshal(health)
	check(err)
	body, err := json.Marshal(
		Reply{1, "sim", "i1", "0123456789abcdef", "bench", "health", "answered", time.Now().UTC(), 0.1, answer},
	)
	check(err)
	return body
}

func gather(nc *nats.Conn, subject string, count, rounds int, decode func([]byte, any) error) Rounds {
	kept := make([]Reply, 0, count)
	done := make(chan struct{})
	inbox := nats.NewInbox()
	_, err := nc.Subscribe(inbox, func(msg *nats.Msg) {
		var reply Reply
		check(decode(msg.Data, &reply))
		kept = append(kept, reply)
		if len(kept) == count {
			done <- struct{}{}
		}
	})
	check(err)
	once := func() time.Duration {
		kept = kept[:0]
		started := time.Now()
		check(nc.PublishRequest(subject, inbox, nil))
		select {
		case <-done:
		case <-time.After(patience):
			fail(fmt.Errorf("%d of %d replies within %s", len(kept), count, patience))
		}
		return time.Since(started)
	}
	for range warmUps {
		once()
	}
	took := make([]float64, 0, rounds)
	before := cpu()
	for range rounds {
		took = append(took, float64(once().Microseconds())/1e3)
	}
	used := cpu() - before
	sort.Float64s(took)
	return Rounds{
		Rounds: rounds, Replies: rounds * count, P50Ms: at(took, 0.5), P99Ms: at(took, 0.99),
		CPUUsPerReply: float64(used.Microseconds()) / float64(rounds*count),
	}
}

func at(sorted []float64, share float64) float64 {
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func cpu() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "peer:", err)
	os.Exit(1)
}
