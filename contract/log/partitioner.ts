/**
 * The partition of a key, as Kafka's Java client chooses it: murmur2, positive, modulo. Every producer
 * with this partitioner sends a key to the same partition of either log; deduplication relies on it.
 */
export function partitionFor(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

/**
 * MurmurHash2 by Austin Appleby, with Kafka's seed.
 * @see org.apache.kafka.common.utils.Utils#murmur2
 */
export function murmur2(data: Uint8Array): number {
  const length = data.length
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ length
  let i = 0
  for (; i + 4 <= length; i += 4) {
    const four =
      (data[i] as number) |
      ((data[i + 1] as number) << 8) |
      ((data[i + 2] as number) << 16) |
      ((data[i + 3] as number) << 24)
    let k = Math.imul(four, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const tail = length - i
  if (tail === 3) h ^= (data[i + 2] as number) << 16
  if (tail >= 2) h ^= (data[i + 1] as number) << 8
  if (tail >= 1) h = Math.imul(h ^ (data[i] as number), m)
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
