// Drives pg-svc with react-admin's data provider; the address comes as an argument. Ends with status 1 on a difference.
import assert from 'node:assert/strict'
import provider from '@raphiniert/ra-data-postgrest'

// What react-admin's fetchJson gives: status, headers and the parsed body; an error for everything but a success
const httpClient = async (url, options) => {
  const answer = await fetch(url, options)
  const text = await answer.text()
  const json = text ? JSON.parse(text) : undefined
  if (!answer.ok) throw Object.assign(new Error(json?.message ?? answer.statusText), { status: answer.status, body: json })
  return { status: answer.status, headers: answer.headers, body: text, json }
}

const data = provider.default({
  apiUrl: process.argv[2],
  httpClient,
  defaultListOp: 'eq',
  primaryKeys: new Map([['book_genres', ['book_id', 'genre_id']]]),
  schema: () => 'library',
  sortOrder: 'asc,desc',
})
const page = (number, size) => ({ page: number, perPage: size })
const ids = rows => rows.map(row => row.id)

const checks = {
  async lists() {
    const list = await data.getList('books', { pagination: page(2, 2), sort: { field: 'id', order: 'ASC' }, filter: {} })
    assert.deepEqual([ids(list.data), list.total], [[3, 4], 4])
    const filtered = await data.getList('books', {
      pagination: page(1, 10),
      sort: { field: 'title', order: 'DESC' },
      filter: { 'title@ilike': '%r%', 'price@gte': 3 },
      meta: { columns: ['id', 'title'] },
    })
    assert.deepEqual(filtered.data, [{ id: 4, title: 'Orphan' }, { id: 2, title: 'Gardens' }])
    assert.equal(filtered.total, 2)
    const either = await data.getList('books', {
      pagination: page(1, 10), sort: { field: 'id', order: 'ASC' }, filter: { '@or': { 'id@eq': 1, 'title@eq': 'Rivers' } },
    })
    assert.deepEqual(ids(either.data), [1, 3])
  },
  async ones() {
    assert.equal((await data.getOne('books', { id: 1 })).data.title, 'Engines')
    assert.deepEqual(ids((await data.getMany('books', { ids: [1, 3] })).data), [1, 3])
    const reviews = await data.getManyReference('reviews', {
      target: 'book_id', id: 1, pagination: page(1, 1), sort: { field: 'stars', order: 'DESC' }, filter: {},
    })
    assert.deepEqual([reviews.data[0].note, reviews.total], ['great', 2])
    const prefetched = await data.getOne('books', { id: 1, meta: { embed: ['reviews'], prefetch: ['reviews'] } })
    assert.deepEqual(prefetched.meta.prefetched.reviews.map(row => row.stars).sort(), [4, 5])
    await assert.rejects(data.getOne('books', { id: 99 }), { status: 406 })
  },
  async compoundKeys() {
    const one = await data.getOne('book_genres', { id: '[3,2]' })
    assert.deepEqual(one.data, { book_id: 3, genre_id: 2, id: '[3,2]' })
    assert.equal((await data.getMany('book_genres', { ids: ['[1,1]', '[3,1]'] })).data.length, 2)
  },
  async writes() {
    const made = await data.create('genres', { data: { id: 80, name: 'new' } })
    assert.deepEqual(made.data, { id: 80, name: 'new' })
    await data.create('genres', { data: { id: 81, name: 'other' } })
    const changed = await data.update('genres', { id: 80, data: { id: 80, name: 'newer' }, previousData: made.data })
    assert.deepEqual(changed.data, { id: 80, name: 'newer' })
    assert.deepEqual((await data.updateMany('genres', { ids: [80, 81], data: { name: 'both' } })).data.sort(), [80, 81])
    assert.deepEqual((await data.delete('genres', { id: 80 })).data, { id: 80, name: 'both' })
    assert.deepEqual((await data.deleteMany('genres', { ids: [81] })).data, [81])
    await assert.rejects(data.create('books', { data: { id: 1, title: 'twice' } }), { status: 409 })
  },
}

for (const [name, check] of Object.entries(checks)) {
  try {
    await check()
  } catch (error) {
    console.error(`${name}: ${error.stack}`)
    process.exitCode = 1
  }
}
