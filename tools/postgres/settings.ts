import { totalmem } from 'node:os'

const MB = 1024 * 1024

/**
 * For heavy writing on a machine that does other work too. fsync, synchronous_commit and full_page_writes stay
 * on: an acknowledged event survives a power failure.
 */
export function postgresSettings(memoryBytes: number = totalmem()): Record<string, string> {
  const memoryMb = Math.floor(memoryBytes / MB)
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '60',
    // A query of single events over a year locks each day, with its indexes.
    max_locks_per_transaction: '256',
    shared_buffers: `${Math.max(32, Math.min(256, Math.floor(memoryMb / 8)))}MB`,
    effective_cache_size: `${Math.max(128, Math.floor(memoryMb / 2))}MB`,
    work_mem: '16MB',
    maintenance_work_mem: `${Math.max(32, Math.min(128, Math.floor(memoryMb / 16)))}MB`,
    fsync: 'on',
    synchronous_commit: 'on',
    // Rare checkpoints: after each one, every changed page goes into the WAL as a whole once.
    max_wal_size: '4GB',
    min_wal_size: '512MB',
    checkpoint_timeout: '15min',
    wal_compression: 'off',
    // Queries are short; compiling them costs more than it saves.
    jit: 'off',
    random_page_cost: '1.1',
    // Counter rows change all the time: vacuum little and often.
    autovacuum_naptime: '15s',
    autovacuum_vacuum_cost_limit: '2000',
    autovacuum_vacuum_scale_factor: '0.1',
    autovacuum_analyze_scale_factor: '0.05',
    idle_in_transaction_session_timeout: '60s',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] ',
    // Statements may hold an event's content; an error's code and message are enough.
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
  }
}
