// Drives pg-svc with @supabase/postgrest-js; the address comes as an argument. Ends with status 1 on a difference.
import assert from 'node:assert/strict'
import { PostgrestClient } from '@supabase/postgrest-js'

const db = new PostgrestClient(process.argv[2], { schema: 'library' })
const ok = (answer, status = 200) => {
  assert.equal(answer.error, null, JSON.stringify(answer.error))
  assert.equal(answer.status, status)
  return answer.data
}

const checks = {
  async reads() {
    assert.deepEqual(ok(await db.from('books').select('id').gt('id', 1).lt('id', 4).order('id')), [{ id: 2 }, { id: 3 }])
    assert.deepEqual(ok(await db.from('books').select('id').in('title', ['Engines', 'a,b"c'])), [{ id: 1 }])
    assert.deepEqual(ok(await db.from('books').select('id').contains('tags', ['green']).order('id')), [{ id: 2 }, { id: 3 }])
    assert.deepEqual(ok(await db.from('books').select('id').overlaps('tags', ['old', 'water']).order('id')), [{ id: 1 }, { id: 3 }])
    assert.deepEqual(ok(await db.from('books').select('id').rangeAdjacent('loan', '[2024-02-01,2024-02-10)')), [{ id: 1 }])
    assert.deepEqual(ok(await db.from('books').select('id').or('id.eq.1,and(id.gt.2,id.lt.4)').order('id')), [{ id: 1 }, { id: 3 }])
    assert.deepEqual(ok(await db.from('books').select('id').not('price', 'is', null).order('id').limit(2)), [{ id: 1 }, { id: 2 }])
    assert.deepEqual(ok(await db.from('books').select('id').likeAnyOf('title', ['E%', 'R%']).order('id')), [{ id: 1 }, { id: 3 }])
    assert.deepEqual(ok(await db.from('notes').select('weight').textSearch('body', 'fox', { type: 'websearch' })), [{ weight: 1 }])
    assert.deepEqual(ok(await db.from('books').select('id').match({ id: 1, title: 'Engines' })), [{ id: 1 }])
    assert.deepEqual(ok(await db.from('books').select('n:meta->n').eq('id', 1).single()), { n: 5 })
  },
  async embeds() {
    assert.deepEqual(
      ok(await db.from('books').select('title, reviews(stars), writer:authors!author_id(name)').eq('id', 1)
        .order('stars', { referencedTable: 'reviews' }).single()),
      { title: 'Engines', reviews: [{ stars: 4 }, { stars: 5 }], writer: { name: 'Ada' } })
    assert.deepEqual(
      ok(await db.from('books').select('id, reviews!inner(stars)').eq('reviews.stars', 1)),
      [{ id: 2, reviews: [{ stars: 1 }] }])
    assert.deepEqual(
      ok(await db.from('books').select('id, reviews(id)').limit(1, { referencedTable: 'reviews' }).eq('id', 1)),
      [{ id: 1, reviews: [{ id: 1 }] }])
    const ambiguous = await db.from('books').select('authors(name)')
    assert.equal(ambiguous.status, 300)
    assert.equal(ambiguous.error.code, 'PGRST201')
  },
  async writes() {
    assert.equal((await db.from('genres').insert({ id: 50, name: 'one' })).status, 201)
    assert.deepEqual(ok(await db.from('genres').insert([{ id: 51 }, { id: 52 }]).select('id'), 201), [{ id: 51 }, { id: 52 }])
    assert.deepEqual(ok(await db.from('genres').upsert({ id: 50, name: 'two' }).select().single()), { id: 50, name: 'two' })
    assert.deepEqual(
      ok(await db.from('genres').upsert([{ id: 50, name: 'x' }, { id: 53, name: 'y' }], { ignoreDuplicates: true }).select(), 201),
      [{ id: 53, name: 'y' }])
    assert.deepEqual(ok(await db.from('genres').update({ name: 'z' }).eq('id', 50).select('name')), [{ name: 'z' }])
    assert.equal((await db.from('genres').update({ name: 'q' }, { count: 'exact' }).gte('id', 50)).count, 4)
    assert.deepEqual(ok(await db.from('genres').delete().gte('id', 51).select('id')), [{ id: 51 }, { id: 52 }, { id: 53 }])
    assert.equal((await db.from('genres').delete({ count: 'exact' }).eq('id', 50)).count, 1)
    const defaults = await db.from('reviews')
      .insert([{ book_id: 1 }, { book_id: 1, stars: 5 }], { defaultToNull: false }).select('stars')
    assert.deepEqual(ok(defaults, 201), [{ stars: 3 }, { stars: 5 }])
    assert.equal((await db.from('reviews').delete().gt('id', 10)).status, 204)
  },
  async functions() {
    assert.equal(ok(await db.rpc('add', { a: 1, b: 2 })), 3)
    assert.equal(ok(await db.rpc('add', { a: 1, b: 2 }, { get: true })), 3)
    assert.deepEqual(ok(await db.rpc('books_by', { author: 2 }).select('id').order('id', { ascending: false })), [{ id: 3 }, { id: 2 }])
    assert.equal((await db.rpc('books_by', { author: 2 }, { head: true, count: 'exact' })).count, 2)
    assert.equal((await db.rpc('nothing')).status, 204)
    assert.equal((await db.rpc('nope')).error.code, 'PGRST202')
  },
  async formats() {
    assert.equal(ok(await db.from('genres').select().lt('id', 3).order('id').csv()), 'id,name\n1,science\n2,nature')
    assert.equal((await db.from('books').select('*', { count: 'exact', head: true })).count, 4)
    const page = await db.from('books').select('id', { count: 'exact' }).order('id').range(1, 2)
    assert.deepEqual([page.status, page.count, page.data], [206, 4, [{ id: 2 }, { id: 3 }]])
    assert.equal((await db.from('books').select().range(100, 200)).status, 200)
    assert.equal(ok(await db.from('books').select('id').eq('id', 99).maybeSingle()), null)
    assert.equal((await db.from('books').select().single()).error.code, 'PGRST116')
    assert.match(ok(await db.from('books').select().explain()), /Aggregate/)
    assert.deepEqual(ok(await db.from('books').select('id, price').eq('id', 3).stripNulls()), [{ id: 3 }])
  },
  async errors() {
    assert.equal((await db.from('nope').select()).error.code, 'PGRST205')
    assert.equal((await db.from('books').select('nope')).error.code, '42703')
    assert.equal((await db.from('genres').insert({ id: 1 })).error.code, '23505')
    assert.equal((await db.schema('hidden').from('books').select()).error.code, 'PGRST106')
    assert.deepEqual(ok(await db.schema('archive').from('books').select('title')), [{ title: 'Dust' }])
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
