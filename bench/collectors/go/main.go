// A plain collector for bench/collectors.ts: HTTP in, Kafka out. It parses the JSON, looks the key up in a map and
// responds when all replicas have the record. No limits, no validation, no deduplication.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	bodyBytesMax = 64 << 10
	produceMax   = 10 * time.Second
	// As long as the gateway of Sluice waits between two appends under load.
	linger = 5 * time.Millisecond
)

type collector struct {
	kafka *kgo.Client
	topic string
	// Tenants by key.
	keys map[string]string
}

// Settings: COLLECTOR_BROKERS, COLLECTOR_TOPIC, COLLECTOR_KEY. It prints its address when it is ready.
func main() {
	kafka, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Getenv("COLLECTOR_BROKERS"), ",")...),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(linger),
		kgo.RecordDeliveryTimeout(produceMax),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer kafka.Close()
	server := &collector{
		kafka: kafka,
		topic: os.Getenv("COLLECTOR_TOPIC"),
		keys:  map[string]string{os.Getenv("COLLECTOR_KEY"): "bench"},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/events", server.collect)
	log.Fatal((&http.Server{Handler: mux, ReadHeaderTimeout: produceMax}).Serve(listener))
}

func (c *collector) collect(w http.ResponseWriter, r *http.Request) {
	tenant, known := c.keys[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !known {
		http.Error(w, "unknown key", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	actor, err := actorOf(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	record := &kgo.Record{Topic: c.topic, Key: []byte(tenant + ":" + actor), Value: body}
	if err := c.kafka.ProduceSync(r.Context(), record).FirstErr(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"accepted":1}`)
}

func actorOf(body []byte) (string, error) {
	var event map[string]any
	if err := json.Unmarshal(body, &event); err != nil {
		return "", err
	}
	actor, ok := event["user_id"].(string)
	if !ok {
		return "", errors.New("user_id is missing")
	}
	return actor, nil
}
