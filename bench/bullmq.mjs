// SPDX-License-Identifier: Apache-2.0
// Life cycles per second of BullMQ: 32 adders that add one job after the other, each acknowledged, and a worker in a
// process of its own whose jobs do nothing. Arguments: Redis' socket, seconds, the job's data, and "wait" (an adder waits for
// its job's end, as the clients of Berth do) or "add" (only until it is added). Prints one JSON object.
import { fork } from 'node:child_process'
import { Queue, QueueEvents, Worker } from 'bullmq'

const [socket, seconds, text, how, role] = process.argv.slice(2)
const connection = { path: socket, maxRetriesPerRequest: null }
const options = { connection }

if (role === 'worker') {
  let done = 0
  const worker = new Worker('bench', async (job) => job.data, { ...options, concurrency: 32, removeOnComplete: { count: 1000 } })
  worker.on('completed', () => done++)
  process.on('message', () => process.send(done))
  await worker.waitUntilReady()
  process.send('ready')
} else {
  const worker = fork(process.argv[1], [socket, seconds, text, how, 'worker'])
  const queue = new Queue('bench', options)
  const told = () => new Promise((resolve) => worker.once('message', resolve))
  const ask = () => { const answer = told(); worker.send('count'); return answer }
  let stop = false

  await told()
  await queue.waitUntilReady()
  const events = how === 'wait' ? new QueueEvents('bench', options) : null
  await events?.waitUntilReady()
  const add = async () => {
    while (!stop) {
      const job = await queue.add('job', JSON.parse(text))
      if (events) await job.waitUntilFinished(events)
    }
  }
  const adders = Array.from({ length: 32 }, add)
  await new Promise((resolve) => setTimeout(resolve, 500))
  const before = await ask()
  const begin = process.hrtime.bigint()
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000))
  const count = (await ask()) - before
  const took = Number(process.hrtime.bigint() - begin) / 1e9
  stop = true
  await Promise.all(adders)
  console.log(JSON.stringify({ jobs: count, seconds: took, per_second: count / took }))
  worker.kill()
  process.exit(0)
}
