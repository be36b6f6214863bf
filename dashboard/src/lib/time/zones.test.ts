import { expect, test } from 'vitest'
import { allZones, searchZones } from './zones.ts'

const zones = allZones(['Europe/Berlin'], Date.parse('2026-11-21T00:00:00Z'))
const found = (typed: string) => searchZones(zones, typed, 10).map((zone) => zone.id)

test('zones are found by city, by region and by offset', () => {
  expect(found('kathmandu')).toEqual(['Asia/Kathmandu'])
  expect(found('los ang')).toEqual(['America/Los_Angeles'])
  expect(found('+05:45')).toEqual(['Asia/Kathmandu'])
  expect(found('')[0]).toBe('Europe/Berlin')
  expect(found('nowhere')).toEqual([])
})

test('each zone is listed once', () => {
  expect(new Set(zones.map((zone) => zone.id)).size).toBe(zones.length)
})
