package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"diagmesh.test/demo/internal/faults"
	"diagmesh.test/demo/internal/harm"
)

// state is what the switchboard answers.
type state struct {
	Service  string          `json:"service"`
	Instance string          `json:"instance"`
	Active   []faults.Active `json:"active"`
	Switches []faults.Spec   `json:"switches,omitempty"`
}

// openSwitches subscribes to the orders: each copy hears those for its service, and its own.
func (s *Service) openSwitches() error {
	for name, effect := range map[string]faults.Effect{
		"leak-memory": harm.LeakMemory, "leak-goroutines": harm.LeakGoroutines, "spin": harm.Spin, "allocate": harm.Allocate,
		"leak-descriptors": harm.LeakDescriptors, "leak-sockets": harm.LeakSockets, "threads": harm.Threads,
		"race": harm.Race, "panic": harm.Panic, "fatal": harm.Fatal, "exit": harm.Exit,
		"reconnect-storm": s.reconnectStorm,
		"deadlock":        func(ctx context.Context, _ faults.Setting) error { s.Store.Deadlock(ctx); return nil },
		"hold-lock": func(ctx context.Context, setting faults.Setting) error {
			s.Store.Hold(ctx, time.Duration(setting.Amount*float64(time.Millisecond)))
			return nil
		},
	} {
		s.Faults.Register(name, effect)
	}
	for _, subject := range []string{
		"demo." + s.Config.Service + ".fault", "demo." + s.Config.Service + "." + s.Config.Instance + ".fault",
	} {
		if _, err := s.Conn.Subscribe(subject, s.onOrder); err != nil {
			return err
		}
	}
	_, err := s.Conn.Subscribe("demo."+s.Config.Service+".slow", s.onSlow)
	return err
}

func (s *Service) onOrder(message *nats.Msg) {
	order, err := faults.ReadOrder(message.Data)
	if err == nil {
		err = s.Faults.Do(order)
	}
	now := state{Service: s.Config.Service, Instance: s.Config.Instance, Active: s.Faults.Active()}
	if order.List {
		now.Switches = s.switches()
	}
	s.answerSwitch(message, now, err)
}

// onSlow understands the short form: MILLISECONDS [SECONDS].
func (s *Service) onSlow(message *nats.Msg) {
	words := strings.Fields(string(message.Data[:min(len(message.Data), 100)]))
	order, err := slowOrder(words)
	if err == nil {
		err = s.Faults.Do(order)
	}
	said := "at normal speed"
	if setting, on := s.Faults.On("slow", ""); on {
		said = fmt.Sprintf("each request takes %g ms longer for %g s", setting.Amount, setting.For.Seconds())
	}
	s.answerSwitch(message, map[string]string{s.Config.Service: said}, err)
}

func slowOrder(words []string) (faults.Order, error) {
	order := faults.Order{Fault: "slow"}
	if len(words) == 0 || len(words) > 2 {
		return order, errors.New("say MILLISECONDS and, if you like, SECONDS")
	}
	for i, into := range []**float64{&order.Amount, &order.ForS}[:len(words)] {
		number, err := strconv.ParseFloat(words[i], 64)
		if err != nil {
			return order, err
		}
		*into = &number
	}
	if *order.Amount == 0 {
		off := false
		return faults.Order{Fault: "slow", On: &off}, nil
	}
	return order, nil
}

func (s *Service) answerSwitch(message *nats.Msg, answer any, problem error) {
	body, err := json.Marshal(answer)
	if err != nil {
		body = []byte("{}")
	}
	reply := &nats.Msg{Subject: message.Reply, Data: body, Header: nats.Header{}}
	if problem != nil {
		code := "400"
		if errors.Is(problem, faults.ErrNotAllowed) {
			code = "403"
		}
		reply.Header.Set(micro.ErrorHeader, problem.Error())
		reply.Header.Set(micro.ErrorCodeHeader, code)
		s.Log.Warn("order for a fault refused", "component", "faults", "error", problem.Error())
	}
	if message.Reply == "" {
		return
	}
	if err := s.Conn.PublishMsg(reply); err != nil {
		s.Log.Error("reply not sent", "component", "faults", "error", err.Error())
	}
}

func (s *Service) switches() []faults.Spec {
	var own []faults.Spec
	for _, spec := range faults.Catalogue {
		if _, err := faults.Find(s.Config.Service, spec.Name); err == nil {
			own = append(own, spec)
		}
	}
	return own
}

// startFaults turns on what the command line or the environment names.
func (s *Service) startFaults() {
	orders, err := faults.ReadList(s.Config.Faults)
	if err != nil {
		s.Log.Error("faults not understood", "component", "faults", "error", err.Error())
	}
	for _, order := range orders {
		if err := s.Faults.Do(order); err != nil {
			s.Log.Warn("fault refused", "component", "faults", "fault", order.Fault, "error", err.Error())
		}
	}
}

func (s *Service) reconnectStorm(ctx context.Context, setting faults.Setting) error {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / setting.Amount))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if s.Conn.IsConnected() {
				if err := s.Conn.ForceReconnect(); err != nil {
					return err
				}
			}
		}
	}
}
