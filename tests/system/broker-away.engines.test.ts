import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { mulberry32 } from '../../tools/demo/traffic.ts'
import { type Fleet, type MemberName, startFleet } from '../lib/fleet.ts'
import { startFlood } from '../lib/flood.ts'
import { freeze } from '../lib/freeze.ts'
import { residentMiB } from '../lib/memory.ts'
import { NO_DISCREPANCIES, recount } from '../lib/recount.ts'

/** `BROKER_AWAY_S=60 npm run test:engines broker` is the full measure. */
const AWAY_MS = Number(process.env.BROKER_AWAY_S ?? 10) * 1_000
/** The publisher's deadline, with a generous allowance for a busy machine. */
const ANSWER_MS_MAX = LIMITS.publishMsMax * 4
const WATCHED = ['gateway', 'worker 1', 'worker 2', 'edge'] as const satisfies MemberName[]
/** Memory growth while the broker is unavailable: the gateway's queue (LIMITS.gatewayQueueBytesMax) and a margin. */
const GROWTH_MIB_MAX = 200

describe('the only broker is unavailable for a while under load', () => {
  let fleet: Fleet
  const restarts: string[] = []
  beforeAll(async () => {
    fleet = await startFleet({ onRestart: (why) => restarts.push(why) })
  }, 180_000)
  afterAll(() => fleet?.stop(), 60_000)

  const outages: Record<string, () => Promise<() => Promise<void>>> = {
    async killed() {
      const broker = fleet.engines.kafka?.nodes[0]
      await broker?.kill()
      return async () => broker?.start()
    },
    async 'frozen with open connections'() {
      const thaw = freeze(fleet.members.broker.pid as number)
      return async () => thaw()
    },
  }

  for (const [outage, breakBroker] of Object.entries(outages))
    test(`a broker that is ${outage} leads to 503 with Retry-After or success in time, bounded memory, and recovery without help`, {
      timeout: AWAY_MS * 2 + 240_000,
    }, async () => {
      const tenant = outage.slice(0, 6)
      const flood = startFlood({
        url: fleet.edgeUrl,
        key: await fleet.newTenant(tenant),
        events: Number.MAX_SAFE_INTEGER,
        senders: 48,
        batchMax: 100,
        random: mulberry32(11),
        pauseMs: 100,
      })
      const memory = watchMemory()
      await sleep(5_000)
      const before = memory.peaks()
      const pids = WATCHED.map((name) => fleet.members[name].pid)
      const repairBroker = await breakBroker()
      const away = Date.now()
      await sleep(AWAY_MS)
      await repairBroker()
      const back = Date.now()
      const acceptedThen = flood.accepted
      await expect
        .poll(() => flood.accepted, { timeout: 30_000, interval: 50 })
        .toBeGreaterThan(acceptedThen)
      const recoveredMs = Date.now() - back
      await sleep(3_000)
      await flood.stop()
      const peaks = memory.stop()
      const { discrepancies: wrong, figures, waited } = await recount(fleet, tenant, flood.accepted)

      const during = flood.responses.filter(({ sentAtMs: at }) => at >= away && at < back)
      const unavailable = during.filter(({ status }) => status === 503)
      const slowest = Math.max(...during.map(({ tookMs: ms }) => ms))
      const growth = WATCHED.map((name) => `${name} ${before[name]} → ${peaks[name]}`)
      console.log(
        `  ${outage.slice(0, 6)} for ${AWAY_MS / 1000} s: ${during.length} responses, ${unavailable.length} of them 503, the slowest after ${slowest} ms; ` +
          `accepting ${recoveredMs} ms after the repair; all written ${waited.writtenMs} ms and dead letters forwarded ${waited.forwardedMs} ms after the last event; MiB resident: ${growth.join(', ')}; ${JSON.stringify(figures)}`,
      )
      expect(flood.unexpected).toEqual([])
      expect(unavailable.length).toBeGreaterThan(20)
      expect(slowest).toBeLessThan(ANSWER_MS_MAX)
      for (const name of WATCHED)
        expect(peaks[name] - before[name], name).toBeLessThan(GROWTH_MIB_MAX)
      // No process was restarted.
      expect(WATCHED.map((name) => fleet.members[name].pid)).toEqual(pids)
      expect(flood.statuses.get(0)).toBeUndefined()
      expect(wrong).toEqual(NO_DISCREPANCIES)
    })

  function watchMemory() {
    const peak = Object.fromEntries(WATCHED.map((name) => [name, 0])) as Record<
      (typeof WATCHED)[number],
      number
    >
    const look = () => {
      for (const name of WATCHED) {
        const { pid } = fleet.members[name]
        if (pid) peak[name] = Math.max(peak[name], Math.round(residentMiB(pid)))
      }
    }
    const timer = setInterval(look, 250)
    return {
      peaks: () => ({ ...peak }),
      stop() {
        clearInterval(timer)
        return peak
      },
    }
  }
})
