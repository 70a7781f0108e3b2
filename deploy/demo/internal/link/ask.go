package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"diagmesh.test/demo/internal/trace"
)

// Problem is an error with the code that the caller is told.
type Problem struct {
	Code int
	Text string
}

func (p *Problem) Error() string { return p.Text }

// Fail makes a problem.
func Fail(code int, format string, values ...any) *Problem {
	return &Problem{Code: code, Text: fmt.Sprintf(format, values...)}
}

// Ask sends a request and decodes the reply into answer; whatever goes wrong is a Problem.
func Ask(ctx context.Context, c *nats.Conn, subject string, t trace.Trace, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return Fail(500, "%s: %v", subject, err)
	}
	reply, err := c.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Header: t.Header(), Data: body})
	if err != nil {
		return Fail(why(err), "%s: %v", subject, err)
	}
	if text := reply.Header.Get(micro.ErrorHeader); text != "" {
		code, err := strconv.Atoi(reply.Header.Get(micro.ErrorCodeHeader))
		if err != nil {
			code = 500
		}
		return Fail(code, "%s: %s", subject, text)
	}
	if err := json.Unmarshal(reply.Data, answer); err != nil {
		return Fail(502, "%s: reply is not the promised JSON: %v", subject, err)
	}
	return nil
}

func why(err error) int {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return 503
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return 504
	}
	return 500
}
