import { WINDOW_MS } from '../allowance.ts'
import type { Script } from './redis.ts'

/** A bucket is full after one minute and a window empty after two; what Redis forgets later is no loss. */
const KEEP_MS = 3 * WINDOW_MS

/**
 * Limits and lease in one step that nobody comes between: what edge/admission/memory-rate-limiter.ts and
 * edge/admission/memory-idempotency.ts do, with the same whole numbers. Nothing is written unless something is
 * taken. What has to be waited for is told by whoever asked, from the state that it gets back.
 *
 * KEYS: bucket, window, claim.
 * ARGV: now; events (0: limits are not asked), the bucket's and the window's quota;
 *       the claim's fingerprint ('': not asked), the lease's token and length in ms, and for how long
 *       an earlier try's progress is kept, in ms.
 * Gives: 1 when allowed or 0; the bucket's fill and time; the window's start, last and present minute;
 *        what became of the claim ('' when not asked), and of an earlier try its answer or progress,
 *        when it began and how long it holds.
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
local is, text, leased, holds = '', '', 0, 0
if allowed == 1 and ARGV[5] ~= '' then
  is = 'acquired'
  local found = redis.call('HMGET', KEYS[3], 'fingerprint', 'until', 'leased', 'said', 'kept')
  if found[1] and tonumber(found[2]) > now then
    if found[1] ~= ARGV[5] then is = 'mismatch'
    elseif found[4] then is, text = 'completed', found[4]
    elseif found[3] then is, leased, holds = 'in-flight', tonumber(found[3]), tonumber(found[2]) end
  end
  if is == 'acquired' then
    local keep = ARGV[7]
    redis.call('DEL', KEYS[3])
    redis.call('HSET', KEYS[3], 'fingerprint', ARGV[5], 'token', ARGV[6], 'leased', ARGV[1],
      'until', whole(now + tonumber(ARGV[7])))
    -- What was done is done, even if whoever went on with it died on the way.
    if found[1] == ARGV[5] and found[5] then
      text, keep = found[5], ARGV[8]
      redis.call('HSET', KEYS[3], 'kept', text)
    end
    redis.call('PEXPIRE', KEYS[3], whole(tonumber(keep) + W))
  end
end
if allowed == 1 and events > 0 and (is == '' or is == 'acquired') then
  fill, current = fill - events * W, current + events
  redis.call('SET', KEYS[1], whole(fill) .. ' ' .. whole(at), 'PX', ${KEEP_MS})
  redis.call('SET', KEYS[2], whole(start) .. ' ' .. whole(previous) .. ' ' .. whole(current), 'PX', ${KEEP_MS})
end
return { allowed, fill, at, start, previous, current, is, text, leased, holds }`,
}

/**
 * Undoes a taking, in the minute it was taken from, if that is still looked back at.
 * KEYS: bucket, window. ARGV: events, the bucket's quota, the start of that minute.
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
 * Puts something else in the place of one's own lease, or nothing; somebody else's is left alone.
 * KEYS: claim. ARGV: the lease's token; 1 when it must still be there; for how long in ms ('': take it
 * away); then names and values.
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
