import { Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { chooseEndpoint, type EndpointOptions } from '../query/choose-endpoint.ts'
import { post } from '../query/metrics-request.ts'
import type { Terminal } from '../terminal.ts'
import { type ReceiptNode, toTimeline } from './timeline.ts'

const FIELDS = `eventId outcome trustClass processedAt hasMoreDuplicates
  accepted { at requestId keyId keyName partition offset }
  stored { day countedBy { metric kind version bucket } }
  duplicates { receivedAt processedAt requestId keyId partition offset conflicting }
  deadLetters { id reason state receivedAt deadAt format requestId partition offset }
  removed { day droppedAt }
  notFound { reason since recordsInFlight inFlightSince }`

const ONE = `query ($tenant: ID, $eventId: ID!, $trustClass: TrustClass) {
  receipt(tenant: $tenant, eventId: $eventId, trustClass: $trustClass) { ${FIELDS} }
}`

const OF_REQUEST = `query ($tenant: ID, $requestId: String, $idempotencyKey: String) {
  receipts(tenant: $tenant, requestId: $requestId, idempotencyKey: $idempotencyKey) { hasMore receipts { ${FIELDS} } }
}`

interface Options extends EndpointOptions {
  requestId?: string
  idempotencyKey?: string
  trustClass?: string
  tenant?: string
  json?: true
}

export function createReceiptCommand(config: Config, terminal: Terminal): Command {
  return new Command('receipt')
    .description('Show what became of an event; exits with 1 where nothing is found')
    .argument('[event-id]', "the client's own id, or the UUID")
    .option(
      '--request-id <id>',
      'instead of an event: all of the request to which the edge gave this id',
    )
    .option('--idempotency-key <key>', 'the same of requests with this Idempotency-Key')
    .option('--trust-class <class>', 'server or public (default: both)', parseTrustClass)
    .option('--tenant <tenant>', 'tenant (default: the one of the key)')
    .option('--url <url>', 'URL of core (default: the running instance)')
    .option(
      '--key-file <path>',
      'file with a read key, - for standard input (default: SLUICE_READ_KEY; without --url the read key of the running instance)',
    )
    .addOption(new Option('--key <key>', 'the API key itself').hideHelp())
    .option('--json', 'print JSON')
    .action(async (eventId: string | undefined, options: Options) => {
      const found = await findReceipts(config, terminal, eventId, options)
      const isMissing = found.receipts.every(({ outcome }) => outcome === 'NOT_FOUND')
      if (isMissing) process.exitCode = 1
      if (options.json) return terminal.printJson(eventId === undefined ? found : found.receipts[0])
      if (found.receipts.length === 0) return terminal.print('Nothing is known of such a request.')
      for (const receipt of found.receipts) {
        if (eventId === undefined) terminal.print(receipt.eventId ?? 'an event without an id')
        terminal.printTable(['Time', 'What', 'Details'], toTimeline(receipt))
      }
      if (found.hasMore) terminal.print(terminal.muted('There are more.'))
    })
}

interface FoundReceipts {
  receipts: ReceiptNode[]
  hasMore: boolean
}

/** @throws UsageError unless one of the three is given */
async function findReceipts(
  config: Config,
  terminal: Terminal,
  eventId: string | undefined,
  options: Options,
): Promise<FoundReceipts> {
  const { tenant, trustClass, requestId, idempotencyKey } = options
  if ([eventId, requestId, idempotencyKey].filter((each) => each !== undefined).length !== 1)
    throw new UsageError(
      'Give one of an event id, --request-id and --idempotency-key.',
      'Such as: sluice receipt order-1001',
    )
  const endpoint = chooseEndpoint(config, options, terminal)
  if (eventId === undefined) {
    const variables = { tenant, requestId, idempotencyKey }
    const { data } = await post<{ data: { receipts: FoundReceipts } }>(
      endpoint,
      OF_REQUEST,
      variables,
    )
    return data.receipts
  }
  const variables = { tenant, eventId, trustClass }
  const { data } = await post<{ data: { receipt: ReceiptNode } }>(endpoint, ONE, variables)
  return { receipts: [data.receipt], hasMore: false }
}

function parseTrustClass(text: string): string {
  if (text === 'server' || text === 'public') return text.toUpperCase()
  throw new UsageError(`"${text}" is not a trust class.`, 'There are server and public.')
}
