// Command load makes orders at a steady rate and tells in the end what came of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"diagmesh.test/demo/internal/config"
	"diagmesh.test/demo/internal/link"
	"diagmesh.test/demo/internal/load"
	"diagmesh.test/demo/internal/logging"
	"diagmesh.test/demo/internal/service"
)

func main() {
	settings, err := config.Parse(config.Load, os.Args[1:], os.Getenv, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "load: %v\n", err)
		os.Exit(64)
	}
	log := logging.New(os.Stderr, config.Load, settings.Instance, settings.Version)
	if err := run(settings, log); err != nil {
		log.Error("ended", "component", "main", "error", err.Error())
		os.Exit(1)
	}
}

func run(settings config.Config, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if settings.For > 0 {
		bounded, cancel := context.WithTimeout(ctx, settings.For)
		defer cancel()
		ctx = bounded
	}
	conn, err := link.Connect(settings.NATS, settings.NkeyFile, config.Load+"-"+settings.Instance, log)
	if err != nil {
		return err
	}
	defer link.Close(conn)
	if err := service.TellReady(settings.ReadyFile, 0); err != nil {
		return err
	}
	made := load.New(conn, log)
	if settings.Rate > 0 {
		made.Run(ctx, settings.Rate)
	} else {
		<-ctx.Done()
	}
	log.Info("load ended", append(made.Told(), "component", "main")...)
	return nil
}
