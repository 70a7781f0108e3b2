// Command ask is the client of package diagmesh as a program: each reply is one line of JSON.
//
//	ask [-url URL] [-wait 2s] [-msgpack] one  SUBJECT      [QUESTION]
//	ask [-url URL] [-wait 2s]            all  SERVICE KIND [QUESTION]
//	ask [-url URL] [-wait 2s]            mesh KIND         [QUESTION]
//
// It ends with 0, with 1 when a reply is a problem, and with 2 when somebody was silent or nobody could be asked.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"diagmesh.example/protocol/diagmesh"
	"github.com/nats-io/nats.go"
)

var errUsage = errors.New("usage: ask [-url URL] [-wait 2s] [-msgpack] one SUBJECT | all SERVICE KIND | mesh KIND  [QUESTION]")

func main() {
	url := flag.String("url", nats.DefaultURL, "the NATS server")
	wait := flag.Duration("wait", 2*time.Second, "the longest to wait")
	packed := flag.Bool("msgpack", false, "with one: ask for MessagePack, and write it as it comes")
	seed := flag.String("nkey", "", "file with the seed of an nkey")
	prefix := flag.String("inbox-prefix", "_INBOX", "of the inboxes that the role may hear")
	flag.Parse()
	options := []nats.Option{nats.Name("ask"), nats.CustomInboxPrefix(*prefix)}
	if *seed != "" {
		key, err := nats.NkeyOptionFromSeed(*seed)
		if err != nil {
			fail(err)
		}
		options = append(options, key)
	}
	conn, err := nats.Connect(*url, options...)
	if err != nil {
		fail(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), *wait)
	defer cancel()
	if err := run(ctx, diagmesh.NewClient(conn), *packed, flag.Args()); err != nil {
		fail(err)
	}
}

func run(ctx context.Context, client *diagmesh.Client, packed bool, args []string) error {
	names := map[string]int{"one": 1, "all": 2, "mesh": 1}
	if len(args) == 0 || names[args[0]] == 0 || len(args) < 1+names[args[0]] || len(args) > 2+names[args[0]] {
		return errUsage
	}
	question := diagmesh.Question{}
	if rest := args[1+names[args[0]]:]; len(rest) == 1 {
		if err := json.Unmarshal([]byte(rest[0]), &question); err != nil {
			return fmt.Errorf("the question is no JSON object: %w", err)
		}
	}
	switch {
	case args[0] == "all":
		return all(ctx, client, args[1], args[2], question)
	case args[0] == "mesh":
		sum, err := client.Mesh(ctx, args[1], question)
		if err != nil {
			return err
		}
		return show(sum)
	case packed:
		body, kind, err := client.Packed(ctx, args[1], question)
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, kind)
		_, err = os.Stdout.Write(body)
		return err
	}
	reply, err := client.One(ctx, args[1], question)
	if err != nil {
		return err
	}
	if err := show(reply); err != nil || reply.Problem == nil {
		return err
	}
	return reply.Problem
}

func all(ctx context.Context, client *diagmesh.Client, service, kind string, question diagmesh.Question) error {
	replies, missing, err := client.All(ctx, service, kind, question)
	if err != nil {
		return err
	}
	for _, reply := range replies {
		if err := show(reply); err != nil {
			return err
		}
	}
	for from, why := range missing {
		err = errors.Join(err, fmt.Errorf("%s: %s", from, why))
	}
	return err
}

func show(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "ask:", err)
	var problem *diagmesh.Problem
	if errors.As(err, &problem) {
		os.Exit(1)
	}
	os.Exit(2)
}
