import { WINDOW_MS } from '../allowance.ts'
import type { Script } from './redis.ts'

/** A bucket is full after one minute and a window empty after two; what expires later is not missed. */
const KEEP_MS = 3 * WINDOW_MS

/**
 * Rate limit and lock in one atomic step: what edge/admission/memory-rate-limiter.ts and
 * edge/admission/memory-idempotency.ts do, with the same whole numbers. Nothing is written unless
 * events are taken or the lock is acquired. The caller computes the waiting time from the state returned.
 * (The hash fields `said` and `kept` hold the response and the checkpoint; they are a stored format.)
 *
 * KEYS: bucket, window, lock.
 * ARGV: now; events (0: no rate limit), the limit of the bucket and of the window;
 *       the request's fingerprint ('': no lock), the lock's token and duration in ms, and for how long
 *       an earlier try's checkpoint is kept, in ms.
 * Returns: 1 when allowed or 0; the bucket's fill and time; the window's start, previous and current
 *        minute; the kind of BeginResult ('' without a lock); an earlier try's response or checkpoint,
 *        when its lock began and until when it holds.
 */
export const ADMIT: Script = {
  text: `local W = ${WINDOW_MS}
local function whole(n) return string.format('%.0f', n) end
local now, events = tonumber(ARGV[1]), tonumber(ARGV[2])
local allowed, fill, at, start, previous, current = 1, 0, 0, 0, 0, 0
if events > 0 then
  local most, wide = tonumber(ARGV[3]), tonumber(ARGV[4])
  fill, at = most * W, now
  local bucket = redis.call('GET', KEYS[1])
  if bucket then
    local f, a = string.match(bucket, '^(%d+) (%d+)$')
    f, a = tonumber(f), tonumber(a)
    fill = math.min(fill, f + math.min(W, math.max(0, now - a)) * most)
    at = math.max(a, now)
  end
  start = now - now % W
  local window = redis.call('GET', KEYS[2])
  if window then
    local s, p, c = string.match(window, '^(%d+) (%d+) (%d+)$')
    s, p, c = tonumber(s), tonumber(p), tonumber(c)
    if start <= s then start, previous, current = s, p, c
    elseif start == s + W then previous = c end
  end
  local faded = math.min(W, math.max(0, start + W - now))
  if fill < events * W or previous * faded + (current + events) * W > wide * W then allowed = 0 end
end
local kind, text, locked, holds = '', '', 0, 0
if allowed == 1 and ARGV[5] ~= '' then
  kind = 'acquired'
  local found = redis.call('HMGET', KEYS[3], 'fingerprint', 'until', 'leased', 'said', 'kept')
  if found[1] and tonumber(found[2]) > now then
    if found[1] ~= ARGV[5] then kind = 'mismatch'
    elseif found[4] then kind, text = 'completed', found[4]
    elseif found[3] then kind, locked, holds = 'in-flight', tonumber(found[3]), tonumber(found[2]) end
  end
  if kind == 'acquired' then
    local keep = ARGV[7]
    redis.call('DEL', KEYS[3])
    redis.call('HSET', KEYS[3], 'fingerprint', ARGV[5], 'token', ARGV[6], 'leased', ARGV[1],
      'until', whole(now + tonumber(ARGV[7])))
    -- A checkpoint stays valid, even if the try that went on from it was torn down.
    if found[1] == ARGV[5] and found[5] then
      text, keep = found[5], ARGV[8]
      redis.call('HSET', KEYS[3], 'kept', text)
    end
    redis.call('PEXPIRE', KEYS[3], whole(tonumber(keep) + W))
  end
end
if allowed == 1 and events > 0 and (kind == '' or kind == 'acquired') then
  fill, current = fill - events * W, current + events
  redis.call('SET', KEYS[1], whole(fill) .. ' ' .. whole(at), 'PX', ${KEEP_MS})
  redis.call('SET', KEYS[2], whole(start) .. ' ' .. whole(previous) .. ' ' .. whole(current), 'PX', ${KEEP_MS})
end
return { allowed, fill, at, start, previous, current, kind, text, locked, holds }`,
}

/**
 * Gives events back to the minute they were taken from, while that is within the window.
 * KEYS: bucket, window. ARGV: events, the bucket's limit, the start of that minute.
 */
export const REFUND: Script = {
  text: `local W = ${WINDOW_MS}
local function whole(n) return string.format('%.0f', n) end
local events, most, from = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('GET', KEYS[1])
if bucket then
  local fill, at = string.match(bucket, '^(%d+) (%d+)$')
  redis.call('SET', KEYS[1], whole(math.min(most * W, tonumber(fill) + events * W)) .. ' ' .. at, 'KEEPTTL')
end
local window = redis.call('GET', KEYS[2])
if window then
  local s, p, c = string.match(window, '^(%d+) (%d+) (%d+)$')
  local start, previous, current = tonumber(s), tonumber(p), tonumber(c)
  if start == from then current = math.max(0, current - events)
  elseif start == from + W then previous = math.max(0, previous - events) end
  redis.call('SET', KEYS[2], s .. ' ' .. whole(previous) .. ' ' .. whole(current), 'KEEPTTL')
end
return 1`,
}

/**
 * Replaces a lock by a response, a checkpoint or nothing; a lock with another token is left alone.
 * KEYS: lock. ARGV: the lock's token; 1 when it must still be there; for how long in ms ('': delete
 * it); then names and values.
 */
export const REPLACE_LOCK: Script = {
  text: `local holder = redis.call('HGET', KEYS[1], 'token')
if holder ~= ARGV[1] and (ARGV[2] == '1' or redis.call('EXISTS', KEYS[1]) == 1) then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], unpack(ARGV, 4))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1`,
}
