// Package service is what the three services share: connection, endpoints, HTTP, faults, and an orderly end.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"diagmesh.test/demo/internal/config"
	"diagmesh.test/demo/internal/faults"
	"diagmesh.test/demo/internal/link"
	"diagmesh.test/demo/internal/logging"
	"diagmesh.test/demo/internal/metrics"
	"diagmesh.test/demo/internal/store"
)

const endTime = 2 * time.Second

// Service is one running copy.
type Service struct {
	Config  config.Config
	Log     *slog.Logger
	Conn    *nats.Conn
	Faults  *faults.Board
	Metrics *metrics.Metrics
	Store   *store.Store

	endpoints  micro.Service
	work       string
	operations map[string]Operation
	jobs       []func(context.Context)
	stream     func() string
}

// Main runs a service until SIGTERM or SIGINT, and exits. build adds its endpoints and jobs.
func Main(name string, build func(*Service) error) {
	settings, err := config.Parse(name, os.Args[1:], os.Getenv, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(64)
	}
	log := logging.New(os.Stderr, name, settings.Instance, settings.Version)
	if err := run(settings, log, build); err != nil {
		log.Error("ended", "component", "main", "operation", "start", "error", err.Error())
		os.Exit(1)
	}
}

func run(settings config.Config, log *slog.Logger, build func(*Service) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	runtime.SetMutexProfileFraction(10)
	runtime.SetBlockProfileRate(int(100 * time.Microsecond))
	s, err := open(settings, log)
	if err != nil {
		return err
	}
	if err := build(s); err != nil {
		return err
	}
	var jobs sync.WaitGroup
	for _, job := range s.jobs {
		jobs.Go(func() { job(ctx) })
	}
	web, err := s.serveHTTP()
	if err != nil {
		return err
	}
	if err := s.ready(web.port); err != nil {
		return err
	}
	s.startFaults()
	<-ctx.Done()
	s.close(web, &jobs)
	return nil
}

func open(settings config.Config, log *slog.Logger) (*Service, error) {
	conn, err := link.Connect(settings.NATS, settings.NkeyFile, settings.Service+"-"+settings.Instance, log)
	if err != nil {
		return nil, err
	}
	s := &Service{
		Config: settings, Log: log, Conn: conn, Metrics: metrics.New(), Store: store.New(),
		Faults:     faults.NewBoard(settings.Service, settings.AllowFaults, log),
		operations: map[string]Operation{}, stream: func() string { return "" },
	}
	s.endpoints, err = micro.AddService(conn, micro.Config{
		Name: settings.Service, Version: settings.Version, Description: "demo: " + settings.Service,
		Metadata: map[string]string{"instance": settings.Instance},
	})
	if err != nil {
		return nil, err
	}
	s.measure()
	return s, s.openSwitches()
}

// Job runs beside the endpoints until the context ends.
func (s *Service) Job(job func(ctx context.Context)) { s.jobs = append(s.jobs, job) }

// Stream lets /healthz tell how JetStream is; it need not be there.
func (s *Service) Stream(state func() string) { s.stream = state }

func (s *Service) measure() {
	m, stats := s.Metrics, func(read func(nats.Statistics) uint64) func() float64 {
		return func() float64 { return float64(read(s.Conn.Stats())) }
	}
	m.Gauge("nats_connected", func() float64 {
		if s.Conn.IsConnected() {
			return 1
		}
		return 0
	})
	m.Gauge("nats_reconnects", stats(func(n nats.Statistics) uint64 { return n.Reconnects }))
	m.Gauge("nats_in_messages", stats(func(n nats.Statistics) uint64 { return n.InMsgs }))
	m.Gauge("nats_out_messages", stats(func(n nats.Statistics) uint64 { return n.OutMsgs }))
}

func (s *Service) ready(port int) error {
	s.Log.Info("ready", "component", "main", "operation", "start", "http_port", port, "faults_allowed", s.Config.AllowFaults)
	return TellReady(s.Config.ReadyFile, port)
}

// TellReady writes pid and port into a file that appears complete; without a name it does nothing.
func TellReady(path string, port int) error {
	if path == "" {
		return nil
	}
	content, err := json.Marshal(map[string]int{"pid": os.Getpid(), "http_port": port})
	if err != nil {
		return err
	}
	beside := path + ".new"
	if err := os.WriteFile(beside, content, 0o644); err != nil {
		return err
	}
	return os.Rename(beside, path)
}

// close ends in order: no faults, no jobs, requests at hand finished, then the doors. Each step is bounded.
func (s *Service) close(web *door, jobs *sync.WaitGroup) {
	s.Faults.Close()
	ended := make(chan struct{})
	go func() { jobs.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(endTime):
		s.Log.Warn("jobs did not end in time", "component", "main", "operation", "stop")
	}
	if err := s.endpoints.Stop(); err != nil && s.Conn.IsConnected() {
		s.Log.Warn("endpoints not stopped", "component", "main", "operation", "stop", "error", err.Error())
	}
	link.Close(s.Conn)
	web.close()
	s.Log.Info("ended in order", "component", "main", "operation", "stop")
}
