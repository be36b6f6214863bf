import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verify } from '../../core/proof/verify/verify.ts'
import { mulberry32 } from '../../tools/demo/traffic.ts'
import { type Fleet, type MemberName, startFleet } from '../lib/fleet.ts'
import { startFlood } from '../lib/flood.ts'
import { NO_DISCREPANCIES, recount } from '../lib/recount.ts'
import { watchBalance } from '../lib/watch-balance.ts'

/**
 * Everything that runs is killed at random while events come in. The full measure is
 * `npm run kills`: a million events and 50 kills; KILL_SEED repeats a run, KILL_EDGE=collector sends through a collector
 * instead of workerd.
 */
const EVENTS = Number(process.env.KILL_EVENTS ?? 100_000)
const KILLS = Number(process.env.KILL_COUNT ?? 10)
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)
const EDGE = process.env.KILL_EDGE === 'collector' ? 'collector' : 'workerd'
const VICTIMS: readonly MemberName[] = ['worker 1', 'gateway', 'edge', 'broker', 'worker 2']

describe('Kafka, Redis, Postgres, a gateway, two workers and an edge', () => {
  let fleet: Fleet
  const restarts: string[] = []
  beforeAll(async () => {
    fleet = await startFleet({ onRestart: (why) => restarts.push(why), edge: EDGE })
  }, 180_000)
  afterAll(() => fleet?.stop(), 60_000)

  test(`lose and duplicate none of ${EVENTS.toLocaleString('en')} events while ${KILLS} of them, Redis and Postgres are killed at random`, {
    timeout: 180_000 + KILLS * 20_000 + EVENTS / 2,
  }, async () => {
    console.log(`  kill: seed ${SEED}, events through ${EDGE}`)
    const random = mulberry32(SEED)
    const began = Date.now()
    const balance = watchBalance(fleet.databaseUrl)
    const flood = startFlood({
      url: fleet.edgeUrl,
      key: await fleet.newTenant('kills'),
      events: EVENTS,
      senders: 12,
      batchMax: 400,
      random: mulberry32(SEED + 1),
    })
    const killed = await killAlong(plan(random), flood, random)
    await flood.done
    const seconds = (Date.now() - began) / 1_000
    const { discrepancies: wrong, figures } = await recount(fleet, 'kills', EVENTS)
    console.log(
      `  kill: ${EVENTS} events in ${seconds.toFixed(0)} s; killed ${killed.join(', ')}; ` +
        `responses ${summarize(flood.statuses)}; ${summarize(Object.entries(figures))}`,
    )
    await balance.stop()
    const proof = await verify({ databaseUrl: fleet.databaseUrl, log: fleet.log })
    console.log(
      `  kill: balance read ${balance.looks} times (Postgres away ${balance.missed} times), ` +
        `unaccounted: ${balance.unaccounted.length}; verified: ${summarize(Object.entries(proof.checked))}`,
    )
    const { stored, duplicates, dead } = figures
    console.log(
      `  kill: accepted: ${flood.accepted}, stored: ${stored}, duplicates: ${duplicates}, dead: ${dead}, ` +
        `lost: ${wrong.lost + wrong.deadLost}, double: ${wrong.double + wrong.unexpected}, kills: ${killed.length}`,
    )
    expect(flood.unexpected).toEqual([])
    expect(wrong).toEqual(NO_DISCREPANCIES)
    expect(balance.unaccounted).toEqual([])
    expect(balance.looks).toBeGreaterThan(seconds / 10)
    expect(proof).toMatchObject({ clean: true, differences: [], notChecked: [] })
    expect(restarts.filter((why) => /missing from the log|corrupt/.test(why))).toEqual([])
    // Those that were meant to be, and those whose answer was lost on its way.
    expect(figures.duplicates).toBeGreaterThanOrEqual(flood.repeated)
    // Every kind was killed at least once.
    expect(new Set(killed)).toEqual(new Set([...VICTIMS.slice(0, KILLS), 'redis', 'postgres']))
  })

  /** Each victim equally often, in a random order; Redis and Postgres once in ten kills. */
  function plan(random: () => number): MemberName[] {
    const victims = Array.from(
      { length: KILLS },
      (_, i) => VICTIMS[i % VICTIMS.length] as MemberName,
    )
    for (let i = 0; i < Math.ceil(KILLS / 10); i++) victims.push('redis', 'postgres')
    return victims
      .map((name) => ({ name, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ name }) => name)
  }

  /** Spread over the events; some right after one another, while the last one is still down. */
  async function killAlong(
    victims: readonly MemberName[],
    flood: ReturnType<typeof startFlood>,
    random: () => number,
  ): Promise<MemberName[]> {
    const killed: MemberName[] = []
    for (const [i, name] of victims.entries()) {
      const due = (EVENTS * 0.9 * (i + random())) / victims.length
      const soon = Date.now() + 2_000 * random()
      const together = i > 0 && random() < 0.25
      while (together ? Date.now() < soon : flood.accepted < due) await sleep(20)
      // One that is down already is killed as soon as it is back.
      while (!fleet.members[name].kill()) await sleep(20)
      killed.push(name)
    }
    return killed
  }
})

function summarize(pairs: Iterable<readonly [string | number, number]>): string {
  return [...pairs].map(([what, count]) => `${what}: ${count}`).join(', ')
}
