import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import type { KafkaRequest } from '../broker-connection.ts'
import { createAclsRequest } from './create-acls.ts'
import { createTopicRequest } from './create-topics.ts'
import { fetchRequest } from './fetch.ts'
import { findCoordinatorRequest } from './find-coordinator.ts'
import { listOffsetsRequest } from './list-offsets.ts'
import { metadataRequest } from './metadata.ts'
import { offsetCommitRequest } from './offset-commit.ts'
import { produceRequest } from './produce.ts'
import { encodeRecordBatch } from './record-batch.ts'

/** kafkajs' encoders of the same versions: another implementation of the same protocol. */
const require = createRequire(import.meta.url)
const encoderOf = (api: string, version: number) =>
  require(`kafkajs/src/protocol/requests/${api}/v${version}/request`) as (fields: object) => {
    apiKey: number
    apiVersion: number
    encode(): Promise<{ buffer: Buffer }>
  }

const topic = 'events.räw'
const APPENDED_MS = 1_764_500_000_000

/** It names the leader's epoch, which the broker sets: no epoch is 0 there and -1 here. */
function batchOfKafkajs(key: string, value: string): Buffer {
  const record = { key: Buffer.from(key), value: Buffer.from(value) }
  const batch = encodeRecordBatch([record], APPENDED_MS)
  batch.writeInt32BE(0, 12)
  return batch
}

test.each<[string, number, object, KafkaRequest<unknown>]>([
  [
    'metadata',
    6,
    { topics: [topic, 'other'], allowAutoTopicCreation: false },
    metadataRequest([topic, 'other']),
  ],
  [
    'listOffsets',
    3,
    {
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ topic, partitions: [0, 5].map((partition) => ({ partition, timestamp: -1 })) }],
    },
    listOffsetsRequest(topic, [0, 5], 'lastStable'),
  ],
  [
    'listOffsets',
    3,
    {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ topic, partitions: [{ partition: 3, timestamp: -1 }] }],
    },
    listOffsetsRequest(topic, [3], 'logEnd'),
  ],
  [
    'listOffsets',
    3,
    {
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ topic, partitions: [{ partition: 3, timestamp: APPENDED_MS }] }],
    },
    listOffsetsRequest(topic, [3], APPENDED_MS),
  ],
  [
    // All replicas that are in sync have to have it, and no transaction is open where it is read.
    'produce',
    7,
    {
      acks: -1,
      timeout: 5_000,
      transactionalId: null,
      producerId: -1,
      producerEpoch: -1,
      topicData: [
        {
          topic,
          partitions: [0, 5].map((partition) => ({
            partition,
            firstSequence: -1,
            messages: [{ key: 'key', value: 'välue', timestamp: APPENDED_MS }],
          })),
        },
      ],
    },
    produceRequest(
      topic,
      [0, 5].map((partition) => ({
        partition,
        batch: batchOfKafkajs('key', 'välue'),
      })),
      5_000,
    ),
  ],
  [
    'fetch',
    11,
    {
      replicaId: -1,
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 4_000_000,
      isolationLevel: 1,
      topics: [
        {
          topic,
          partitions: [
            { partition: 0, fetchOffset: 7, maxBytes: 1_000_000 },
            { partition: 5, fetchOffset: 2 ** 52, maxBytes: 1_000_000 },
          ],
        },
      ],
      // As a session of one request.
      sessionId: 0,
      sessionEpoch: -1,
    },
    fetchRequest(
      topic,
      [
        { partition: 0, offset: 7 },
        { partition: 5, offset: 2 ** 52 },
      ],
      { maxWaitMs: 500, bytesMax: 4_000_000, partitionBytesMax: 1_000_000 },
    ),
  ],
  [
    'findCoordinator',
    2,
    { coordinatorKey: 'group', coordinatorType: 0 },
    findCoordinatorRequest('group'),
  ],
  [
    'offsetCommit',
    5,
    {
      groupId: 'group',
      groupGenerationId: -1,
      memberId: '',
      topics: [
        {
          topic,
          partitions: [
            { partition: 0, offset: '7' },
            { partition: 2, offset: `${2 ** 52}` },
          ],
        },
      ],
    },
    offsetCommitRequest(
      'group',
      new Map([
        [
          topic,
          new Map([
            [0, 7],
            [2, 2 ** 52],
          ]),
        ],
      ]),
    ),
  ],
  [
    'createTopics',
    3,
    {
      topics: [
        {
          topic,
          numPartitions: 6,
          replicationFactor: 3,
          configEntries: [{ name: 'min.insync.replicas', value: '2' }],
        },
      ],
      timeout: 5_000,
      validateOnly: false,
    },
    createTopicRequest(
      { name: topic, partitions: 6, replicationFactor: 3, config: { 'min.insync.replicas': '2' } },
      5_000,
    ),
  ],
  [
    'createAcls',
    1,
    {
      creations: [4, 8].map((operation) => ({
        resourceType: 2,
        resourceName: topic,
        resourcePatternType: 3,
        principal: 'User:collector',
        host: '*',
        operation,
        permissionType: 3,
      })),
    },
    createAclsRequest(
      (['WRITE', 'DESCRIBE'] as const).map((operation) => ({
        topic,
        user: 'collector',
        operation,
      })),
    ),
  ],
])('the request %s v%i has the bytes that kafkajs sends', async (api, version, fields, ours) => {
  const theirs = encoderOf(api, version)(fields)
  expect([ours.apiKey, ours.apiVersion]).toEqual([theirs.apiKey, theirs.apiVersion])
  expect(ours.body).toEqual(Buffer.from((await theirs.encode()).buffer))
})
