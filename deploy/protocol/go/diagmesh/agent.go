package diagmesh

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	atATime   = 32
	sendingIn = 30 * time.Second
)

// Common holds the fields that every question may have; embed it in the question of a kind.
type Common struct {
	TimeoutMs int    `json:"timeout_ms"`
	Detail    string `json:"detail"`
	Chunks    bool   `json:"chunks"`
}

// Kind answers one kind of question. It decodes the body with Decode, returns an answer or a *Problem, and heeds the
// context: at its deadline the asker is told so, whatever the kind still does.
type Kind func(ctx context.Context, body []byte) (any, error)

// Agent answers for one instance. Its connection must be its own: the server lets a role send so many messages to one
// reply subject, per connection.
type Agent struct {
	Conn              *nats.Conn
	Service, Instance string
	Version           string
	Kinds             map[string]Kind
	Interval, Budget  time.Duration

	boot, host string
	places     chan struct{}
}

// Run serves until the context ends, and then says goodbye.
func (a *Agent) Run(ctx context.Context) error {
	a.boot, a.places = strings.ToLower(rand.Text()[:16]), make(chan struct{}, atATime)
	a.host, _ = os.Hostname()
	// Exactly one of these matches any subject; the kind is a wildcard, so that an unknown one is told from a dead agent.
	for _, at := range []struct{ subject, queue string }{
		{"diag." + a.Service + ".*", Queue},
		{"diag." + a.Service + ".*.all", ""},
		{"diag." + a.Service + ".*." + a.Instance, ""},
		{"diag.all.*", ""},
	} {
		sub, err := a.Conn.QueueSubscribe(at.subject, at.queue, a.take)
		if err != nil {
			return fmt.Errorf("%s: %w", at.subject, err)
		}
		defer func() { _ = sub.Drain() }()
	}
	if err := a.Conn.Flush(); err != nil { // nobody hears of us before we can be asked
		return err
	}
	again := make(chan struct{}, 1)
	a.Conn.SetReconnectHandler(func(*nats.Conn) {
		select {
		case again <- struct{}{}: // whoever was cut off is heard of at once
		default:
		}
	})
	beat := time.NewTicker(a.Interval)
	defer beat.Stop()
	for n := 1; ; n++ {
		if err := a.beat(n, ctx.Err() != nil); err != nil || ctx.Err() != nil {
			return errors.Join(err, a.Conn.Flush())
		}
		select {
		case <-beat.C:
		case <-again:
		case <-ctx.Done():
		}
	}
}

func (a *Agent) beat(n int, bye bool) error {
	if !a.Conn.IsConnected() {
		return nil // nats.go would keep it and send it late
	}
	body, err := json.Marshal(Heartbeat{
		V: Version, Boot: a.boot, N: n, IntervalS: a.Interval.Seconds(), Server: a.Conn.ConnectedServerName(), Host: a.host,
		Kinds: slices.Sorted(maps.Keys(a.Kinds)), Version: a.Version, Bye: bye,
	})
	if err != nil {
		return err
	}
	return a.Conn.Publish("diagev.hb."+a.Service+"."+a.Instance, body)
}

// take answers in a goroutine of its own, at most so many at a time; handlers of a subscription are serial.
func (a *Agent) take(msg *nats.Msg) {
	if !mayAnswer(msg.Reply) {
		return
	}
	began := time.Now()
	select {
	case a.places <- struct{}{}:
		go func() {
			defer func() { <-a.places }()
			a.answer(msg, began)
		}()
	default:
		problem := &Problem{Code: 429, Name: "busy", Detail: "too many questions are in work", Hint: "ask again in a moment"}
		a.send(msg, a.reply(msg, began, nil, problem), false)
	}
}

// mayAnswer tells inboxes from other subjects: whoever answers anywhere can be made to send control messages.
func mayAnswer(reply string) bool {
	return strings.HasPrefix(reply, "_INBOX") || strings.HasPrefix(reply, "_R_.")
}

func (a *Agent) answer(msg *nats.Msg, began time.Time) {
	kind, found := a.Kinds[strings.Split(msg.Subject, ".")[2]]
	var common Common
	var answer any
	err := a.check(msg, found)
	if err == nil {
		_ = json.Unmarshal(msg.Data, &common) // the kind decodes it again, and says what is wrong with it
		answer, err = a.look(kind, msg.Data, common)
	}
	a.send(msg, a.reply(msg, began, answer, err), common.Chunks)
}

func (a *Agent) check(msg *nats.Msg, found bool) error {
	known := strings.Join(slices.Sorted(maps.Keys(a.Kinds)), ", ")
	switch {
	case !found:
		return &Problem{Code: 404, Name: "unknown kind", Detail: "this agent does not answer it", Hint: "kinds: " + known}
	case len(msg.Data) > QuestionLimit:
		return &Problem{Code: 413, Name: "request too large", Detail: "the limit is " + strconv.Itoa(QuestionLimit)}
	case msg.Header.Get("Content-Type") != "" && msg.Header.Get("Content-Type") != "application/json":
		return &Problem{Code: 400, Name: "bad request", Detail: "the body is not read here", Hint: "Content-Type: application/json"}
	}
	return nil
}

func (a *Agent) look(kind Kind, body []byte, common Common) (any, error) {
	budget := a.Budget
	if asked := time.Duration(common.TimeoutMs) * time.Millisecond; asked > 0 {
		budget = min(budget, asked)
	}
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	type outcome struct {
		answer any
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		answer, err := kind(ctx, body)
		done <- outcome{answer, err}
	}()
	select {
	case came := <-done:
		return came.answer, came.err
	case <-ctx.Done():
		return nil, &Problem{Code: 408, Name: "out of time", Detail: "no answer within " + budget.String()}
	}
}

// reply wraps whatever came of a question; exactly one goes out.
func (a *Agent) reply(msg *nats.Msg, began time.Time, answer any, err error) *Reply {
	now := time.Now().UTC().Truncate(time.Millisecond)
	reply := &Reply{
		V: Version, Service: a.Service, Instance: a.Instance, Boot: a.boot, Host: a.host, Status: "answered",
		Kind: strings.Split(msg.Subject, ".")[2], ObservedAt: &now, TookMs: float64(time.Since(began).Microseconds()) / 1000,
	}
	if err == nil {
		reply.Answer, err = json.Marshal(answer)
	}
	if err != nil {
		reply.fail(err)
	}
	return reply
}

// fail turns a reply into a refusal. What is no *Problem is our own fault; its text stays here.
func (r *Reply) fail(err error) {
	problem := &Problem{Code: 500, Name: "agent failed"}
	errors.As(err, &problem)
	r.Answer, r.Problem = nil, problem
	switch problem.Code {
	case 400, 403, 404, 429:
		r.Status = "declined"
	case 408:
		r.Status = "late"
	case 501, 503:
		r.Status = "unavailable"
	default:
		r.Status = "failed"
	}
	if problem.Name == "request too large" {
		r.Status = "declined"
	}
}

func (a *Agent) send(asked *nats.Msg, reply *Reply, chunks bool) {
	body, err := json.Marshal(reply)
	if err != nil {
		return // nothing that a reply is made of can fail, its answer is encoded already
	}
	one := OneMessage(a.Conn.MaxPayload())
	if fits := len(body) <= min(ChunkedLimit, MostChunks*one); len(body) > one && !(fits && chunks) {
		hint := "ask for less"
		if fits {
			hint = `ask with {"chunks": true}, or for less`
		}
		detail := fmt.Sprintf("the answer has %d bytes", len(body))
		reply.fail(&Problem{Code: 413, Name: "answer too large", Detail: detail, Hint: hint})
		body, _ = json.Marshal(reply)
	}
	msgs := []*nats.Msg{nats.NewMsg(asked.Reply)}
	if msgs[0].Data = body; len(body) > one {
		msgs = Chunks(asked.Reply, reply.From(), body, a.Conn.MaxPayload())
	}
	if reply.Problem != nil {
		msgs[0].Header.Set(ErrorHeader, reply.Problem.Name)
		msgs[0].Header.Set(ErrorCodeHeader, strconv.Itoa(reply.Problem.Code))
	}
	ctx, cancel := context.WithTimeout(context.Background(), sendingIn)
	defer cancel()
	for _, msg := range msgs {
		if a.Conn.PublishMsg(msg) != nil {
			return // the asker sees how many chunks came
		}
		if len(msgs) > 1 && a.Conn.FlushWithContext(ctx) != nil {
			return
		}
	}
}

// Decode reads a question strictly: an unknown field is refused, because it may be one that matters to the asker. An
// empty body is the question with its defaults.
func Decode(body []byte, question any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(question); err != nil {
		return &Problem{Code: 400, Name: "bad request", Detail: err.Error(), Hint: "see the schema of this kind"}
	}
	if _, err := decoder.Token(); err != io.EOF {
		return &Problem{Code: 400, Name: "bad request", Detail: "something follows the JSON object"}
	}
	return nil
}
