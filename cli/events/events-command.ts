import { Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import { parseWholeNumber } from '../parse-options.ts'
import { chooseEndpoint, type EndpointOptions } from '../query/choose-endpoint.ts'
import { post } from '../query/metrics-request.ts'
import type { Terminal } from '../terminal.ts'

/** As a page of the API. */
const LISTED_MAX = 100

const QUERY = `query ($tenant: ID, $name: String, $requestId: String, $idempotencyKey: String, $first: Int!) {
  events(tenant: $tenant, name: $name, requestId: $requestId, idempotencyKey: $idempotencyKey, first: $first) {
    edges { node { id name occurredAt receivedAt actor source value properties requestId } }
    pageInfo { hasNextPage }
  }
}`

interface Listed {
  events: {
    edges: { node: Record<string, unknown> & { properties: object } }[]
    pageInfo: { hasNextPage: boolean }
  }
}

interface Options extends EndpointOptions {
  name?: string
  requestId?: string
  idempotencyKey?: string
  limit: number
  tenant?: string
  json?: true
}

export function createEventsCommand(config: Config, terminal: Terminal): Command {
  return new Command('events')
    .description('List single events, newest received first')
    .option('--name <name>', 'only events of this name')
    .option('--request-id <id>', 'only those that came with this request')
    .option('--idempotency-key <key>', 'only those of requests with this Idempotency-Key')
    .option('--limit <count>', 'how many', parseWholeNumber(1, LISTED_MAX), 20)
    .option('--tenant <tenant>', 'tenant (default: the one of the key)')
    .option('--url <url>', 'URL of core (default: the running instance)')
    .option(
      '--key-file <path>',
      'file with a read key, - for standard input (default: SLUICE_READ_KEY; without --url the read key of the running instance)',
    )
    .addOption(new Option('--key <key>', 'the API key itself').hideHelp())
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const endpoint = chooseEndpoint(config, options, terminal)
      const { tenant, name, requestId, idempotencyKey, limit } = options
      const { data } = await post<{ data: Listed }>(endpoint, QUERY, {
        ...{ tenant, name, requestId, idempotencyKey },
        first: limit,
      })
      const events = data.events.edges.map(({ node }) => node)
      if (options.json) return terminal.printJson(events)
      if (events.length === 0) return terminal.print('No such events are held.')
      terminal.printTable(
        ['Occurred', 'Name', 'Id', 'Actor', 'Value', 'Properties'],
        events.map((event) => [
          String(event.occurredAt),
          String(event.name),
          String(event.id),
          String(event.actor ?? ''),
          String(event.value ?? ''),
          JSON.stringify(event.properties),
        ]),
      )
      if (data.events.pageInfo.hasNextPage)
        terminal.print(terminal.muted(`There are more; --limit takes up to ${LISTED_MAX}.`))
    })
}
