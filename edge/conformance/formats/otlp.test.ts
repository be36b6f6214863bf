import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { expect, it, onTestFinished } from 'vitest'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { createSource } from '../../testing/source.ts'

const AT = Date.now() - 60_000

/** OpenTelemetry's SDK for Node with its exporter, with the endpoint and the header set. */
function createLogger(harness: EdgeHarness, headers: Record<string, string>) {
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'checkout', 'service.version': '1.2' }),
    processors: [
      new BatchLogRecordProcessor({
        exporter: new OTLPLogExporter({ url: `${harness.edge.url}/v1/logs`, headers }),
      }),
    ],
  })
  onTestFinished(() => provider.shutdown())
  return { logger: provider.getLogger('orders', '3.1'), flush: () => provider.forceFlush() }
}

describeEdges(
  "OpenTelemetry's log exporter",
  (harness) => {
    it('delivers an event with name, time, attributes, resource and trace', async () => {
      const { key, records } = createSource(harness)
      const { logger, flush } = createLogger(harness, { 'x-api-key': key })
      logger.emit({
        eventName: 'order.placed',
        timestamp: AT,
        severityText: 'INFO',
        body: { note: 'ü', parts: [1, 2.5, null, true] },
        attributes: { 'user.id': 'u1', 'session.id': 's1', items: 3, price: 19.5, paid: true },
      })
      await flush()
      const [record] = records()
      expect(record?.event).toEqual({
        event_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        name: 'order.placed',
        occurred_at: new Date(AT).toISOString().replace('Z', '000Z'),
        actor: 'u1',
        session: 's1',
        source: 'checkout',
        properties: {
          'user.id': 'u1',
          'session.id': 's1',
          items: 3,
          price: 19.5,
          paid: true,
          body: { note: 'ü', parts: [1, 2.5, null, true] },
        },
        context: {
          'service.name': 'checkout',
          'service.version': '1.2',
          scope: { name: 'orders', version: '3.1' },
          severityText: 'INFO',
          observedTimeUnixNano: expect.stringMatching(/^\d{19}$/),
        },
      })
      expect([record?.route, record?.client]).toEqual(['otlp', expect.stringMatching(/^OTel-/)])
    })

    it('delivers a batch although the log did not confirm it at first', async () => {
      const { key, events } = createSource(harness)
      const { logger, flush } = createLogger(harness, { authorization: `Bearer ${key}` })
      harness.gateway.produceFaults.push({ status: 503 }, { status: 503 })
      for (let i = 0; i < 5; i++) logger.emit({ eventName: `e${i}` })
      await flush()
      expect(events().map(({ name }) => name)).toEqual(['e0', 'e1', 'e2', 'e3', 'e4'])
    })
  },
  undefined,
  ['node'],
)

/** A request with log records of one resource and one scope. */
function logs(...logRecords: unknown[]) {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] }
  return { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 's' }, logRecords }] }] }
}

const attribute = (key: string, value: unknown) => ({ key, value })

describeEdges(
  'a request with OTLP log records',
  (harness) => {
    const path = '/v1/logs'

    it('keeps every kind of value exactly, integers of 64 bits too', async () => {
      const { key, events } = createSource(harness)
      const attributes = [
        attribute('small', { intValue: '42' }),
        attribute('number', { intValue: -7 }),
        attribute('large', { intValue: '9223372036854775807' }),
        attribute('double', { doubleValue: 0.1 }),
        attribute('nan', { doubleValue: 'NaN' }),
        attribute('bytes', { bytesValue: 'AP8=' }),
        attribute('empty', {}),
        attribute('list', { arrayValue: { values: [{ intValue: '1' }, { boolValue: false }] } }),
        attribute('map', { kvlistValue: { values: [attribute('a', { stringValue: 'b' })] } }),
        attribute('log.record.uid', { stringValue: '01JD' }),
      ]
      const record = { eventName: 'a', attributes, timeUnixNano: `${AT}123456` }
      const response = await harness.post(key, logs(record), { path })
      expect([response.status, response.json]).toEqual([200, {}])
      expect(events()).toEqual([
        {
          event_id: '01JD',
          name: 'a',
          occurred_at: new Date(AT).toISOString().replace('Z', '123Z'),
          source: 'shop',
          properties: {
            small: 42,
            number: -7,
            large: '9223372036854775807',
            double: 0.1,
            nan: 'NaN',
            bytes: 'AP8=',
            empty: null,
            list: [1, false],
            map: { a: 'b' },
          },
          context: { 'service.name': 'shop', scope: { name: 's' } },
        },
      ])
    })

    it('counts records that are not valid in partialSuccess, and stores the others', async () => {
      const { key, records } = createSource(harness)
      const body = logs(
        { eventName: 'good' },
        { body: { stringValue: 'a line without a name' } },
        { eventName: 'bad', attributes: [attribute('a', { intValue: 'x' })] },
        { eventName: '$mine', attributes: [attribute('b', { stringValue: '\ud800' })] },
      )
      const response = await harness.post(key, body, { path })
      expect(response.status).toBe(200)
      const { partialSuccess } = response.json
      expect(partialSuccess.rejectedLogRecords).toBe('3')
      expect(partialSuccess.errorMessage.split('; ')).toEqual([
        expect.stringMatching(/^1 NAME_MISSING \/eventName /),
        expect.stringMatching(/^2 ATTRIBUTE_INVALID \/attributes\/0\/value\/intValue /),
        expect.stringMatching(/^3 NAME_RESERVED \/eventName /),
        expect.stringMatching(/^3 STRING_UNSTORABLE \/attributes\/0\/value /),
      ])
      expect(records().map(({ event }) => event?.name)).toEqual(['good'])
    })

    it('responds with partialSuccess even where every record is rejected, and with {} where none is', async () => {
      const { key, records } = createSource(harness)
      const bad = await harness.post(key, logs({}), { path })
      expect([bad.status, bad.json.partialSuccess.rejectedLogRecords]).toEqual([200, '1'])
      for (const body of [logs({ eventName: 'a' }), {}, { resourceLogs: [] }]) {
        const { status, json } = await harness.post(key, body, { path })
        expect([status, json]).toEqual([200, {}])
      }
      expect(records()).toHaveLength(1)
    })

    it('rejects a number that a double cannot hold, wherever it is', async () => {
      const { key, records } = createSource(harness)
      const big = '{"intValue":9007199254740993}'
      const text = `{"resourceLogs":[{"resource":{"attributes":[{"key":"r","value":${big}}]},"scopeLogs":[{"logRecords":[{"eventName":"a"}]}]},{"scopeLogs":[{"logRecords":[{"eventName":"b","attributes":[{"key":"x","value":${big}}]},{"eventName":"c"}]}]}]}`
      const { json } = await harness.post(key, text, { path })
      expect(json.partialSuccess.errorMessage).toMatch(
        /^0 NUMBER_UNREPRESENTABLE \/resource\/attributes\/0\/value\/intValue .*; 1 NUMBER_UNREPRESENTABLE \/attributes\/0\/value\/intValue [^/]*$/,
      )
      expect(records().map(({ event }) => event?.name)).toEqual(['c'])
    })

    it('keeps attributes of the resource and members of the record apart where they have the same name', async () => {
      const { key, events } = createSource(harness)
      const body = logs({
        eventName: 'a',
        traceId: 't1',
        attributes: [attribute('body', { stringValue: 'x' })],
        body: { stringValue: 'y' },
      })
      body.resourceLogs[0]?.resource.attributes.push(
        attribute('traceId', { stringValue: 'r' }) as never,
      )
      await harness.post(key, body, { path })
      expect(events()[0]).toMatchObject({
        properties: { body: 'x', _body: 'y' },
        context: { traceId: 'r', _traceId: 't1' },
      })
    })

    it('rejects protobuf with 415 and says how to send JSON', async () => {
      const response = await harness.send(harness.newKey(), {
        path,
        headers: { 'content-type': 'application/x-protobuf' },
        body: Buffer.from([10, 0]),
      })
      expect([response.status, response.json.message]).toEqual([
        415,
        expect.stringContaining('http/json'),
      ])
    })

    it.each([
      [{ resourceLogs: 1 }, 422, 'EVENTS_INVALID'],
      [{ resourceLogs: [{ scopeLogs: {} }] }, 422, 'EVENTS_INVALID'],
      [logs(...Array(5_001).fill({})), 422, 'BATCH_TOO_LARGE'],
      ['{', 400, 'INVALID_JSON'],
    ])('rejects a body that holds no log records: %#', async (body, status, code) => {
      const response = await harness.post(harness.newKey(), body, { path })
      expect([response.status, response.json.message]).toEqual([
        status,
        expect.stringContaining(code),
      ])
    })

    it('does not copy a large resource into thousands of records', async () => {
      const { key, records } = createSource(harness)
      const body = logs(...Array(1_500).fill({ eventName: 'a' }))
      const large = attribute('large', { stringValue: 'x'.repeat(60_000) })
      body.resourceLogs[0]?.resource.attributes.push(large as never)
      const { json } = await harness.post(key, body, { path })
      expect(json.partialSuccess.rejectedLogRecords).toBe('1500')
      expect(json.partialSuccess.errorMessage).toContain('EVENT_TOO_LARGE /resource')
      expect(records()).toEqual([])
    })

    it('rejects a value that is nested too deeply', async () => {
      const { key, records } = createSource(harness)
      const levels = 20_000
      const deep = `${'{"arrayValue":{"values":['.repeat(levels)}${']}}'.repeat(levels)}`
      const list = `{"attributes":[{"key":"deep","value":${deep}}]`
      for (const text of [
        `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${list},"eventName":"a"}]}]}]}`,
        `{"resourceLogs":[{"resource":${list}},"scopeLogs":[{"logRecords":[{"eventName":"a"}]}]}]}`,
      ]) {
        const { json } = await harness.post(key, text, { path })
        expect(json.partialSuccess.errorMessage).toContain('TOO_DEEP')
      }
      expect(records()).toEqual([])
    })
  },
  undefined,
  ['node'],
)
