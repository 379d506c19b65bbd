// Drives a Data API client through the calls it is given on stdin, and prints what each one gave.
import { readFileSync } from 'node:fs'
import { createMongoDBDataAPI } from 'mongodb-data-api'
import AtlasSDK from 'mongodb-atlas-data-api-sdk'

const { client, url, key, source, database, calls } = JSON.parse(readFileSync(0, 'utf8'))

const clients = {
  'mongodb-data-api': () => {
    const api = createMongoDBDataAPI({ apiKey: key, urlEndpoint: url }).$cluster(source).$database(database)
    return (action, { accept, ...parameters }) =>
      accept
        ? api.$$action(action, parameters, {
            headers: { 'Content-Type': 'application/json', 'api-key': key, Accept: accept }
          })
        : api[action](parameters)
  },
  'mongodb-atlas-data-api-sdk': () => {
    const api = new AtlasSDK({ apiKey: key, apiUrl: url, dbCluster: source, dbName: database, quiet: true })
    return (action, parameters) => api[action](parameters)
  }
}

const call = clients[client]()
const answers = []
for (const [action, parameters] of calls) {
  try {
    answers.push({ answer: await call(action, parameters) })
  } catch (error) {
    answers.push({ status: error.status ?? null, message: String(error.message ?? error) })
  }
}
process.stdout.write(JSON.stringify(answers))
