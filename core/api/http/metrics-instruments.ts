import { Counter, Gauge, type Registry } from 'prom-client'

/** What /metrics shows beside the process's own metrics. No label names a key, a person, a tenant or an event. */
export type Instruments = ReturnType<typeof createInstruments>

export function createInstruments(registry: Registry) {
  const registers = [registry]
  return {
    log: {
      accepted: new Counter({
        name: 'sluice_events_accepted_total',
        help: 'Records that the log has accepted, by partition.',
        labelNames: ['partition'],
        registers,
      }),
      lag: new Gauge({
        name: 'sluice_log_lag_records',
        help: 'Records in the log that no worker has applied yet, by partition.',
        labelNames: ['topic', 'partition'],
        registers,
      }),
      position: new Gauge({
        name: 'sluice_log_position',
        help: 'The first offset that no worker has applied yet, by partition.',
        labelNames: ['topic', 'partition'],
        registers,
      }),
      end: new Gauge({
        name: 'sluice_log_end',
        help: 'The offset that the next record will get, by partition.',
        labelNames: ['topic', 'partition'],
        registers,
      }),
      otherLog: new Gauge({
        name: 'sluice_log_identity_mismatch',
        help: 'Whether the stored offsets belong to another log: then all partitions are paused. Alert on 1.',
        registers,
      }),
    },
    postgres: { ...gapInstruments(registry), ...workerInstruments(registry) },
    freshness: freshnessInstruments(registry),
    component: new Gauge({
      name: 'sluice_pipeline_component_up',
      help: 'Whether canaries pass the component. Alert on 0.',
      labelNames: ['component'],
      registers,
    }),
    process: {
      subscribers: new Gauge({
        name: 'sluice_live_subscribers',
        help: 'Live subscriptions of this process.',
        registers,
      }),
      up: new Gauge({
        name: 'sluice_up',
        help: 'Whether the part responded this time; where not, its metrics are missing.',
        labelNames: ['part'],
        registers,
      }),
    },
  }
}

function freshnessInstruments(registry: Registry) {
  const registers = [registry]
  return {
    seconds: new Gauge({
      name: 'sluice_freshness_seconds',
      help: 'Time from sending a canary until a query finds it, over 1h and 24h.',
      labelNames: ['window', 'quantile'],
      registers,
    }),
    canaryAge: new Gauge({
      name: 'sluice_canary_age_seconds',
      help: 'Seconds since a canary was sent; missing where none are.',
      registers,
    }),
    errorBudget: new Gauge({
      name: 'sluice_freshness_error_budget_left',
      help: 'Share of the error budget of freshness that is left, over 30 days; below 0: overspent.',
      labelNames: ['objective', 'target_seconds'],
      registers,
    }),
  }
}

function gapInstruments(registry: Registry) {
  const registers = [registry]
  return {
    gaps: new Counter({
      name: 'sluice_offset_gaps_total',
      help: 'How often records were missing from the log before they were read. Alert on any.',
      labelNames: ['topic', 'partition'],
      registers,
    }),
    missing: new Counter({
      name: 'sluice_offset_gap_records_total',
      help: 'Records that were dropped from the log before they were read.',
      labelNames: ['topic', 'partition'],
      registers,
    }),
    openGaps: new Gauge({
      name: 'sluice_offset_gaps_open',
      help: 'Offset gaps that no operator has skipped yet; their partitions are paused.',
      registers,
    }),
  }
}

function workerInstruments(registry: Registry) {
  const registers = [registry]
  return {
    outcomes: new Counter({
      name: 'sluice_events_total',
      help: 'Accepted events by their outcome.',
      labelNames: ['outcome'],
      registers,
    }),
    unaccounted: new Gauge({
      name: 'sluice_unaccounted_events',
      help: 'Records of the log without an outcome, and outcomes without a record, in the last month. Alert on any.',
      registers,
    }),
    balanceAge: new Gauge({
      name: 'sluice_balance_check_age_seconds',
      help: 'Seconds since the log was last compared with the outcomes. Alert above 120.',
      registers,
    }),
    rollupDifferences: new Gauge({
      name: 'sluice_rollup_differences',
      help: 'Buckets of rollups that differ from their events. Alert on any.',
      registers,
    }),
    rollupAge: new Gauge({
      name: 'sluice_rollup_check_age_seconds',
      help: 'Seconds since the newest rollups were compared with their events. Alert above 900.',
      registers,
    }),
    verificationAge: new Gauge({
      name: 'sluice_verification_age_seconds',
      help: 'Seconds since everything was recounted. Alert above 180000.',
      registers,
    }),
    verificationDifferences: new Gauge({
      name: 'sluice_verification_differences',
      help: 'What differed when everything was recounted the last time. Alert on any.',
      registers,
    }),
    toForward: new Gauge({
      name: 'sluice_dead_letters_to_forward',
      help: 'Dead letters that are not in events.dlq yet.',
      registers,
    }),
    oldestSnapshot: new Gauge({
      name: 'sluice_postgres_oldest_snapshot_seconds',
      help: 'Age of the oldest open transaction that keeps Postgres from removing old row versions. Alert above 600.',
      registers,
    }),
    batches: new Counter({
      name: 'sluice_worker_batches_total',
      help: 'Batches that each worker has written.',
      labelNames: ['worker'],
      registers,
    }),
    batchSeconds: new Counter({
      name: 'sluice_worker_batch_seconds_total',
      help: 'Time that each worker has spent on writing batches.',
      labelNames: ['worker'],
      registers,
    }),
    heartbeat: new Gauge({
      name: 'sluice_worker_heartbeat_age_seconds',
      help: "Seconds since each worker's last heartbeat.",
      labelNames: ['worker'],
      registers,
    }),
  }
}
