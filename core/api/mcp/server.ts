import { createHash } from 'node:crypto'
import {
  createMcpHandler,
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  readRequestBody,
} from '@modelcontextprotocol/server'
import { requirePermission } from '../../identity/require-permission.ts'
import { scopeOf } from '../../identity/viewer.ts'
import type { Logger } from '../../lib/logger.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { Sender } from '../graphql/context.ts'
import type { RunOperation } from '../operations/run-operation.ts'
import { MCP_LIMITS } from './limits.ts'
import type { ToolContext } from './tools/tool.ts'
import { callTool, DEFINITIONS, failure, INSTRUCTIONS, TOOL_NAMES } from './tools.ts'

export interface McpDeps {
  runOperation: RunOperation
  logger: Pick<Logger, 'error'>
  version: string
}

/** A request whose sender was admitted. */
export interface McpCall {
  sender: Sender
  /** Where people open the dashboard, for links. */
  dashboardUrl: string
}

/** Serves one request of an admitted sender. */
export type ServeMcp = (request: Request, call: McpCall) => Promise<Response>

/**
 * Revision 2026-07-28, stateless, and the earlier ones as far as they work without sessions: the SDK knows them, and each
 * request gets a server of its own.
 */
export function createMcp({ runOperation, logger, version }: McpDeps): ServeMcp {
  const calls = new WeakMap<object, McpCall>()
  const handler = createMcpHandler(
    ({ authInfo, requestInfo }) => {
      const call = calls.get(authInfo?.extra ?? {})
      if (!call || !requestInfo) throw new Error('a request of MCP without its sender')
      return createServer(call, requestInfo.signal)
    },
    // Tools send nothing before their result, and the list of them never changes.
    { maxRequestBodySize: MCP_LIMITS.bodyBytesMax, maxSubscriptions: 1, keepAliveMs: 0 },
  )

  function createServer(call: McpCall, left: AbortSignal): McpServer {
    const mcp = new McpServer(
      { name: 'sluice', version },
      { instructions: INSTRUCTIONS, jsonSchemaValidator: NO_VALIDATOR },
    )
    const { server } = mcp
    server.registerCapabilities({ tools: {} })
    server.setRequestHandler('tools/list', () => ({ tools: DEFINITIONS }))
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      if (!TOOL_NAMES.includes(params.name))
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `This tool does not exist; the tools are ${TOOL_NAMES.join(', ')}.`,
        )
      const context = createContext(call, AbortSignal.any([left, mcpReq.signal]))
      try {
        return await callTool(params.name, params.arguments, context)
      } catch (error) {
        if (left.aborted || mcpReq.signal.aborted) return failure('QUERY_CANCELLED', 'Cancelled.')
        const { name, code } = (error ?? {}) as { name?: string; code?: unknown }
        logger.error({ request_id: call.sender.requestId, error: name, code }, 'MCP tool failed')
        return failure('INTERNAL_SERVER_ERROR', 'Something failed on our side; call again later.')
      }
    })
    return mcp
  }

  function createContext({ sender, dashboardUrl }: McpCall, signal: AbortSignal): ToolContext {
    return {
      run: (query, variables) => runOperation({ sender, signal }, query, variables),
      requirePermission: (permission) => requirePermission(sender.viewer, undefined, permission),
      queryId: (args) =>
        createHash('sha256')
          .update(JSON.stringify([scopeOf(sender.viewer), args]))
          .digest('base64url')
          .slice(0, 22),
      link: (parameters) => linkTo(dashboardUrl, parameters),
      now: Date.now,
    }
  }

  return async (request, call) => {
    const body = await withTimeout(
      MCP_LIMITS.bodyMsMax,
      'the body',
      readRequestBody(request, MCP_LIMITS.bodyBytesMax),
    ).catch(() => undefined)
    if (body === undefined)
      return protocolError(408, PARSE_ERROR, 'The body did not arrive in time.')
    if (body.tooLarge)
      return protocolError(
        413,
        INVALID_REQUEST,
        `The body is larger than ${MCP_LIMITS.bodyBytesMax} bytes.`,
      )
    let message: unknown
    try {
      message = JSON.parse(body.text)
    } catch {
      return protocolError(400, PARSE_ERROR, 'The body is not valid JSON.')
    }
    // A batch would multiply every limit; later revisions have none.
    if (Array.isArray(message))
      return protocolError(
        400,
        INVALID_REQUEST,
        'Batches are not supported: send one message in a request.',
      )
    const extra = {}
    calls.set(extra, call)
    return handler.fetch(request, {
      parsedBody: message,
      authInfo: { token: '', clientId: call.sender.credential, scopes: ['read'], extra },
    })
  }
}

const PARSE_ERROR = -32_700
const INVALID_REQUEST = -32_600

function protocolError(status: number, code: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status })
}

/** Only servers that ask their clients for input need one, and the SDK's own takes milliseconds to create. */
const NO_VALIDATOR = {
  getValidator(): never {
    throw new Error('this server does not ask for input')
  },
}

function linkTo(url: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const link = new URL('/', url)
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) link.searchParams.set(name, value)
  return link.href
}
