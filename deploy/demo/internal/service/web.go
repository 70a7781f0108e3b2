package service

import (
	"context"
	"encoding/json"
	"expvar"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
	"time"

	"diagmesh.test/demo/internal/trace"
)

const (
	probeTime   = 500 * time.Millisecond
	longestBody = 64 << 10
)

// health is what /healthz says.
type health struct {
	Status    string `json:"status"`
	Reason    string `json:"reason"`
	NATS      string `json:"nats"`
	Store     string `json:"store"`
	JetStream string `json:"jetstream,omitempty"`
	Version   string `json:"version"`
	Requests  uint64 `json:"requests"`
	Errors    uint64 `json:"errors"`
}

type door struct {
	server *http.Server
	port   int
}

func (s *Service) serveHTTP() (*door, error) {
	address := net.JoinHostPort(s.Config.HTTPHost, strconv.Itoa(s.Config.HTTPPort))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: s.pages(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // returns when the door is closed
	return &door{server, listener.Addr().(*net.TCPAddr).Port}, nil
}

func (d *door) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		_ = d.server.Close()
	}
}

func (s *Service) pages() http.Handler {
	s.publish()
	pages := http.NewServeMux()
	pages.HandleFunc("GET /healthz", s.onHealth)
	pages.HandleFunc("/work", s.onWork)
	pages.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s.Metrics.Write(w)
	})
	pages.Handle("GET /debug/vars", expvar.Handler())
	pages.HandleFunc("/debug/pprof/", pprof.Index)
	pages.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	pages.HandleFunc("/debug/pprof/profile", pprof.Profile)
	pages.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	pages.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return pages
}

func (s *Service) publish() {
	expvar.Publish("goroutines", expvar.Func(func() any { return runtime.NumGoroutine() }))
	expvar.Publish("service", expvar.Func(func() any {
		requests, errors := s.Metrics.Totals()
		return map[string]any{
			"service": s.Config.Service, "instance": s.Config.Instance, "version": s.Config.Version,
			"requests": requests, "errors": errors, "faults": s.Faults.Active(),
		}
	}))
}

func (s *Service) onHealth(w http.ResponseWriter, _ *http.Request) {
	s.Faults.Sleep("slow-ready", "")
	now := s.health()
	code := http.StatusOK
	if now.Status != "ok" {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, now)
}

func (s *Service) health() health {
	requests, errors := s.Metrics.Totals()
	now := health{
		Status: "ok", NATS: "connected", Store: "ok", JetStream: s.stream(),
		Version: s.Config.Version, Requests: requests, Errors: errors,
	}
	if !s.Conn.IsConnected() {
		now.NATS = s.Conn.Status().String()
		now.Reason = "no connection to NATS: " + now.NATS
	}
	if err := s.Store.Probe(probeTime); err != nil {
		now.Store = err.Error()
		now.Reason = err.Error()
	}
	if _, on := s.Faults.On("not-ready", ""); on {
		now.Reason = "not ready: the switch not-ready is on"
	}
	if now.Reason != "" {
		now.Status = "failing"
	}
	return now
}

// onWork does the first operation of the service.
func (s *Service) onWork(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	call := s.call(trace.From(r.Header.Get), body)
	result, err := s.perform(s.work, call)
	s.Done("http", s.work, call.Trace, time.Since(began), err)
	w.Header().Set(trace.RequestID, call.Trace.RequestID)
	if err != nil {
		answer(w, code(err), map[string]any{"error": err.Error(), "answer": result})
		return
	}
	answer(w, http.StatusOK, result)
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the visitor may have gone
}
