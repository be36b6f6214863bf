import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import type { KafkaRequest } from '../broker-connection.ts'
import { createTopicRequest } from './create-topics.ts'
import { findCoordinatorRequest } from './find-coordinator.ts'
import { listOffsetsRequest } from './list-offsets.ts'
import { metadataRequest } from './metadata.ts'
import { offsetCommitRequest } from './offset-commit.ts'

/** kafkajs' encoders of the same versions: another implementation of the same protocol. */
const require = createRequire(import.meta.url)
const encoderOf = (api: string, version: number) =>
  require(`kafkajs/src/protocol/requests/${api}/v${version}/request`) as (fields: object) => {
    apiKey: number
    apiVersion: number
    encode(): Promise<{ buffer: Buffer }>
  }

const topic = 'events.räw'

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
      topics: [{ topic, partitions: [{ partition: 3, timestamp: 1_764_500_000_000 }] }],
    },
    listOffsetsRequest(topic, [3], 1_764_500_000_000),
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
])('the request %s v%i has the bytes that kafkajs sends', async (api, version, fields, ours) => {
  const theirs = encoderOf(api, version)(fields)
  expect([ours.apiKey, ours.apiVersion]).toEqual([theirs.apiKey, theirs.apiVersion])
  expect(ours.body).toEqual(Buffer.from((await theirs.encode()).buffer))
})
