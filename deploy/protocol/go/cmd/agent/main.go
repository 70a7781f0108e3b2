// Command agent is an agent that is not written in Python: it answers diag.<service>.process and tells that it is there,
// so that coordinators expect it, ask it and add its answers up like any other.
//
//	agent -service orders -instance g1 [-url URL] [-nkey FILE -inbox-prefix _INBOX_agent_orders]
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"diagmesh.example/protocol/diagmesh"
	"github.com/nats-io/nats.go"
)

// question of the kind process.
type question struct {
	diagmesh.Common
	PadKiB int `json:"pad_kib"` // only to show what becomes of a large answer
}

// process is its answer.
type process struct {
	PID        int    `json:"pid"`
	Go         string `json:"go"`
	Goroutines int    `json:"goroutines"`
	Pad        string `json:"pad,omitempty"`
}

func look(_ context.Context, body []byte) (any, error) {
	var asked question
	if err := diagmesh.Decode(body, &asked); err != nil {
		return nil, err
	}
	if asked.PadKiB < 0 || asked.PadKiB > 32<<10 {
		return nil, &diagmesh.Problem{Code: 400, Name: "bad request", Detail: "pad_kib is from 0 to 32768"}
	}
	pad := strings.Repeat("0123456789abcdef", 64*asked.PadKiB)
	return process{PID: os.Getpid(), Go: runtime.Version(), Goroutines: runtime.NumGoroutine(), Pad: pad}, nil
}

func main() {
	url := flag.String("url", nats.DefaultURL, "the NATS server")
	service := flag.String("service", "orders", "the watched service")
	instance := flag.String("instance", "g1", "this instance of it")
	seed := flag.String("nkey", "", "file with the seed of an nkey")
	prefix := flag.String("inbox-prefix", "_INBOX", "of the inboxes that the role may hear")
	interval := flag.Duration("interval", 5*time.Second, "between two heartbeats")
	flag.Parse()
	// The connection is called so for the coordinators, which look up who is connected when somebody is silent.
	options := []nats.Option{
		nats.Name("diag/" + *service + "/" + *instance), nats.CustomInboxPrefix(*prefix), nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
	}
	if *seed != "" {
		key, err := nats.NkeyOptionFromSeed(*seed)
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, key)
	}
	conn, err := nats.Connect(*url, options...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	agent := diagmesh.Agent{
		Conn: conn, Service: *service, Instance: *instance, Version: "go-example", Interval: *interval, Budget: 2 * time.Second,
		Kinds: map[string]diagmesh.Kind{"process": look},
	}
	if err := agent.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
