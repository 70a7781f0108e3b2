package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/micro"

	"diagmesh.test/demo/internal/link"
	"diagmesh.test/demo/internal/logging"
	"diagmesh.test/demo/internal/trace"
)

const operationTime = 2 * time.Second

// Call is one request.
type Call struct {
	Trace trace.Trace
	Body  []byte
	Log   *slog.Logger
}

// Read decodes the body; an empty one leaves the question as it is.
func (c Call) Read(question any) error {
	if len(c.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Body, question); err != nil {
		return link.Fail(400, "request is not the JSON that is expected: %v", err)
	}
	return nil
}

// Operation answers a call; an error that is a link.Problem keeps its code. An answer may come with an error.
type Operation func(ctx context.Context, call Call) (any, error)

// Handle serves an operation. An endpoint handles one request at a time, so there are several of them in the same queue
// group: their numbers in $SRV.STATS stay those of the handler. The first operation is also done by /work.
func (s *Service) Handle(operation, subject string, do Operation) error {
	if s.work == "" {
		s.work = operation
	}
	s.operations[operation] = do
	for i := range s.Config.Workers {
		name := operation
		if i > 0 {
			name = fmt.Sprintf("%s-%d", operation, i+1)
		}
		handler := micro.HandlerFunc(func(request micro.Request) { s.serve(operation, request) })
		metadata := micro.WithEndpointMetadata(map[string]string{"operation": operation})
		if err := s.endpoints.AddEndpoint(name, handler, micro.WithEndpointSubject(subject), metadata); err != nil {
			return fmt.Errorf("endpoint %s: %w", name, err)
		}
	}
	return nil
}

func (s *Service) serve(operation string, request micro.Request) {
	began := time.Now()
	call := s.call(trace.From(request.Headers().Get), request.Data())
	answer, err := s.perform(operation, call)
	if sent := s.respond(operation, call, request, answer, err); sent != nil {
		err = errors.Join(err, fmt.Errorf("reply not sent: %w", sent))
	}
	s.Done("handler", operation, call.Trace, time.Since(began), err)
}

func (s *Service) call(t trace.Trace, body []byte) Call {
	return Call{Trace: t, Body: body, Log: s.Log.With(t.Fields()...)}
}

// perform does the operation, with the faults that concern every operation.
func (s *Service) perform(operation string, call Call) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), operationTime)
	defer cancel()
	s.Faults.Sleep("slow", operation)
	if s.Faults.Hits("fail", operation) {
		return nil, link.Fail(500, "%s refused: the switch fail is on", operation)
	}
	return s.operations[operation](ctx, call)
}

func (s *Service) respond(operation string, call Call, request micro.Request, answer any, err error) error {
	if err != nil && answer == nil {
		answer = map[string]string{"error": err.Error()}
	}
	body, wrong := json.Marshal(answer)
	if wrong != nil {
		return wrong
	}
	if _, on := s.Faults.On("bad-encoding", operation); on {
		body = append([]byte("\x80\x04order="), body...)
	}
	if _, on := s.Faults.On("exceed-payload", operation); on {
		body = append(body, make([]byte, s.Conn.MaxPayload())...)
	}
	header := micro.WithHeaders(micro.Headers{trace.RequestID: {call.Trace.RequestID}})
	if err == nil {
		return request.Respond(body, header)
	}
	return request.Error(strconv.Itoa(code(err)), err.Error(), body, header)
}

// Done counts and logs an operation that was performed.
func (s *Service) Done(component, operation string, t trace.Trace, took time.Duration, err error) {
	s.Metrics.Done(operation, took, err != nil)
	fields := append(t.Fields(), "component", component)
	fields = append(fields, logging.Operation(operation, took, err)...)
	if err != nil {
		s.Log.Error(operation+" failed", fields...)
		return
	}
	s.Log.Info(operation+" done", fields...)
}

func code(err error) int {
	var problem *link.Problem
	if errors.As(err, &problem) {
		return problem.Code
	}
	return 500
}
