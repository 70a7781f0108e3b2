package diagmesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// agentShare of the time that the asker has is given to whoever answers, so that its word of being late arrives.
const agentShare = 0.9

// mostNewcomers is how many replies All takes from instances that the directory does not know.
const mostNewcomers = 1024

// ErrNobody means that nobody listens on the subject: no such service, or no sidecar of it is connected.
var ErrNobody = errors.New("nobody listens")

// Client asks a mesh over one connection. Its methods end with their context, which must have a deadline.
type Client struct {
	conn *nats.Conn
}

// NewClient makes a client of a connection; whoever made that closes it.
func NewClient(conn *nats.Conn) *Client { return &Client{conn: conn} }

// One asks where one reply is to be expected: diag.<service>.<kind>, diag.<service>.<kind>.<instance>, diag.mesh.<kind>.
func (c *Client) One(ctx context.Context, subject string, question Question) (*Reply, error) {
	var heard *Reply
	err := c.ask(ctx, subject, question, func(reply *Reply, err error) (bool, error) {
		heard = reply
		return true, err
	})
	return heard, err
}

// All asks every instance of a service. It returns as soon as all that the coordinators' directory expects have
// answered, else at the deadline, with the names and the reasons of those who did not.
func (c *Client) All(ctx context.Context, service, kind string, question Question) ([]*Reply, map[string]string, error) {
	waiting, err := c.expected(ctx, service)
	if err != nil {
		return nil, nil, fmt.Errorf("who is expected: %w", err)
	}
	var replies []*Reply
	heard, broken := map[string]bool{}, map[string]string{}
	most := len(waiting) + mostNewcomers
	// Many large answers at once could flood us, so they are asked for in chunks one by one.
	first := Question{"chunks": false}
	maps.Copy(first, question)
	// An inbox of its own for each service: nobody else can answer in the name of its instances.
	err = c.ask(ctx, "diag."+service+"."+kind+".all", first, func(reply *Reply, err error) (bool, error) {
		switch {
		case err != nil:
			broken[service] = err.Error()
		case reply.Service == service && reply.Kind == kind && !heard[reply.Instance] && (waiting[reply.Instance] || len(replies) < most):
			heard[reply.Instance] = true
			delete(waiting, reply.Instance)
			replies = append(replies, reply)
		}
		return len(waiting) == 0, nil
	})
	for at, reply := range replies {
		if reply.Problem != nil && reply.Problem.Code == 413 && strings.Contains(reply.Problem.Hint, `"chunks": true`) {
			replies[at] = c.whole(ctx, reply, kind, question, broken)
		}
	}
	for instance := range waiting {
		broken[service+"/"+instance] = "silent"
	}
	var late *lateError
	if errors.As(err, &late) {
		maps.Copy(broken, late.missing)
		err = nil
	}
	return replies, broken, err
}

// whole asks one instance for an answer that is too large for one message; without it, the refusal stays.
func (c *Client) whole(ctx context.Context, refused *Reply, kind string, question Question, broken map[string]string) *Reply {
	reply, err := c.One(ctx, "diag."+refused.Service+"."+kind+"."+refused.Instance, question)
	if err != nil {
		broken[refused.From()] = err.Error()
		return refused
	}
	return reply
}

// Mesh asks a coordinator to ask them all and to add the answers up.
func (c *Client) Mesh(ctx context.Context, kind string, question Question) (*Sum, error) {
	reply, err := c.One(ctx, "diag.mesh."+kind, question)
	if err != nil {
		return nil, err
	}
	var sum Sum
	return &sum, reply.Into(&sum)
}

// Packed asks for MessagePack and gives the reply as it came, with its type: what decodes it is left to you.
func (c *Client) Packed(ctx context.Context, subject string, question Question) ([]byte, string, error) {
	msg, err := c.message(ctx, subject, question)
	if err != nil {
		return nil, "", err
	}
	msg.Header.Set("Accept", "application/msgpack")
	var body []byte
	var kind string
	err = c.exchange(ctx, msg, func(whole []byte, header nats.Header, err error) (bool, error) {
		body, kind = whole, header.Get("Content-Type")
		return true, err
	})
	return body, kind, err
}

func (c *Client) expected(ctx context.Context, service string) (map[string]bool, error) {
	reply, err := c.One(ctx, "diag.mesh.services", nil)
	if err != nil {
		return nil, err
	}
	var directory Directory
	if err := reply.Into(&directory); err != nil {
		return nil, err
	}
	waiting := map[string]bool{}
	for _, one := range directory.Services {
		for _, instance := range one.Instances {
			if one.Service == service && instance.State == "live" {
				waiting[instance.Instance] = true
			}
		}
	}
	return waiting, nil
}

func (c *Client) ask(ctx context.Context, subject string, question Question, take func(*Reply, error) (bool, error)) error {
	msg, err := c.message(ctx, subject, question)
	if err != nil {
		return err
	}
	return c.exchange(ctx, msg, func(body []byte, _ nats.Header, err error) (bool, error) {
		if err != nil {
			return take(nil, err)
		}
		var reply Reply
		if err := json.Unmarshal(body, &reply); err != nil {
			return take(nil, fmt.Errorf("this is no reply: %w", err))
		}
		return take(&reply, nil)
	})
}

func (c *Client) message(ctx context.Context, subject string, question Question) (*nats.Msg, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil, errors.New("the context has no deadline")
	}
	fields := Question{"chunks": true, "timeout_ms": max(1, int(float64(time.Until(deadline).Milliseconds())*agentShare))}
	maps.Copy(fields, question)
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	msg := nats.NewMsg(subject)
	msg.Data, msg.Reply = body, c.conn.NewInbox()
	return msg, nil
}

// exchange publishes a question and hands on each whole reply until take has enough or the context ends.
func (c *Client) exchange(ctx context.Context, msg *nats.Msg, take func([]byte, nats.Header, error) (bool, error)) error {
	sub, err := c.conn.SubscribeSync(msg.Reply)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := c.conn.PublishMsg(msg); err != nil {
		return err
	}
	chunks := Assembler{Unwanted: !takesChunks(msg.Data)}
	for {
		came, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return &lateError{subject: msg.Subject, missing: chunks.Missing()}
		}
		if errors.Is(err, nats.ErrNoResponders) || err == nil && isNobody(came) {
			return fmt.Errorf("%s: %w", msg.Subject, ErrNobody)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", msg.Subject, err)
		}
		whole, err := chunks.Take(came)
		if whole == nil && err == nil {
			continue
		}
		if enough, err := take(whole, came.Header, err); enough || err != nil {
			return err
		}
	}
}

// takesChunks tells whether a question asks for large replies in chunks.
func takesChunks(body []byte) bool {
	var common struct {
		Chunks bool `json:"chunks"`
	}
	return json.Unmarshal(body, &common) == nil && common.Chunks
}

// isNobody tells the server's own word (status 503, empty body) from a reply.
func isNobody(msg *nats.Msg) bool {
	return len(msg.Data) == 0 && msg.Header.Get("Status") == "503"
}

type lateError struct {
	subject string
	missing map[string]string
}

func (e *lateError) Error() string {
	for from, why := range e.missing {
		return fmt.Sprintf("%s: %s: %s in time", e.subject, from, why)
	}
	return e.subject + ": no answer in time"
}
