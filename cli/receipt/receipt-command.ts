import { Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { chooseEndpoint, type EndpointOptions } from '../query/choose-endpoint.ts'
import { post } from '../query/metrics-request.ts'
import type { Terminal } from '../terminal.ts'
import { type ReceiptNode, toTimeline } from './timeline.ts'

const QUERY = `query ($tenant: ID, $eventId: ID!, $trustClass: TrustClass) {
  receipt(tenant: $tenant, eventId: $eventId, trustClass: $trustClass) {
    eventId outcome trustClass processedAt hasMoreDuplicates
    accepted { at requestId keyId keyName partition offset }
    stored { day countedBy { metric kind version bucket } }
    duplicates { receivedAt processedAt requestId keyId partition offset conflicting }
    deadLetters { id reason state receivedAt deadAt format requestId partition offset }
    removed { day droppedAt }
    notFound { reason since recordsInFlight inFlightSince }
  }
}`

interface Options extends EndpointOptions {
  trustClass?: string
  tenant?: string
  json?: true
}

export function createReceiptCommand(config: Config, terminal: Terminal): Command {
  return new Command('receipt')
    .description('Show what became of an event; exits with 1 where nothing is found')
    .argument('<event-id>', "the client's own id, or the UUID")
    .option('--trust-class <class>', 'server or public (default: both)', parseTrustClass)
    .option('--tenant <tenant>', 'tenant (default: the one of the key)')
    .option('--url <url>', 'URL of core (default: the running instance)')
    .option(
      '--key-file <path>',
      'file with a read key, - for standard input (default: SLUICE_READ_KEY; without --url the read key of the running instance)',
    )
    .addOption(new Option('--key <key>', 'the API key itself').hideHelp())
    .option('--json', 'print JSON')
    .action(async (eventId: string, options: Options) => {
      const endpoint = chooseEndpoint(config, options, terminal)
      const { tenant, trustClass } = options
      const { data } = await post<{ data: { receipt: ReceiptNode } }>(endpoint, QUERY, {
        ...{ tenant, eventId, trustClass },
      })
      if (data.receipt.outcome === 'NOT_FOUND') process.exitCode = 1
      if (options.json) return terminal.printJson(data.receipt)
      terminal.printTable(['Time', 'What', 'Details'], toTimeline(data.receipt))
    })
}

function parseTrustClass(text: string): string {
  if (text === 'server' || text === 'public') return text.toUpperCase()
  throw new UsageError(`"${text}" is not a trust class.`, 'There are server and public.')
}
