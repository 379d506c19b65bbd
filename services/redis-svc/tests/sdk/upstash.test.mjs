// The official JavaScript clients against a running redis-svc: URL and TOKEN come from the environment.
import assert from "node:assert/strict";
import { test, beforeEach } from "node:test";

import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";

const config = { url: process.env.URL, token: process.env.TOKEN, retry: false, enableTelemetry: false };
const redis = new Redis({ ...config, enableAutoPipelining: false });

beforeEach(() => redis.flushdb());

test("strings", async () => {
  assert.equal(await redis.set("greeting", "hello", { ex: 100 }), "OK");
  assert.equal(await redis.get("greeting"), "hello");
  assert.equal(await redis.set("greeting", "again", { nx: true }), null);
  assert.equal(await redis.set("document", { a: [1, "OK", null] }), "OK");
  assert.deepEqual(await redis.get("document"), { a: [1, "OK", null] });
  assert.equal(await redis.set("flag", true), "OK");
  assert.equal(await redis.get("flag"), true);
  assert.equal(await redis.incrby("count", 41), 41);
  assert.equal(await redis.incr("count"), 42);
  assert.equal(await redis.append("greeting", "!"), 6);
  assert.deepEqual(await redis.mget("greeting", "nothing", "count"), ["hello!", null, 42]);
  assert.equal(await redis.get("nothing"), null);
  assert.equal(await redis.set("emoji 🧀/ä", "käse 🧀"), "OK");
  assert.equal(await redis.get("emoji 🧀/ä"), "käse 🧀");
  assert.equal(await redis.del("greeting", "count", "nothing"), 2);
});

test("hashes", async () => {
  assert.equal(await redis.hset("user", { name: "Ada", age: 36, tags: ["x"] }), 3);
  assert.deepEqual(await redis.hgetall("user"), { name: "Ada", age: 36, tags: ["x"] });
  assert.equal(await redis.hincrby("user", "age", 1), 37);
  assert.deepEqual(await redis.hmget("user", "name", "none"), { name: "Ada", none: null });
  assert.equal(await redis.hgetall("none"), null);
});

test("lists and sets", async () => {
  assert.equal(await redis.rpush("list", 1, "two", { three: 3 }), 3);
  assert.deepEqual(await redis.lrange("list", 0, -1), [1, "two", { three: 3 }]);
  assert.equal(await redis.lpop("list"), 1);
  assert.equal(await redis.lmove("list", "other", "left", "right"), "two");
  assert.equal(await redis.sadd("set", "a", "b", "c"), 3);
  assert.equal(await redis.sismember("set", "a"), 1);
  await redis.sadd("set2", "b", "c", "d");
  assert.deepEqual((await redis.sinter("set", "set2")).sort(), ["b", "c"]);
});

test("sorted sets", async () => {
  await redis.zadd("board", { score: 1, member: "a" }, { score: 2.5, member: "b" }, { score: 3, member: "c" });
  assert.deepEqual(await redis.zrange("board", 2, 3, { byScore: true, withScores: true }), ["b", 2.5, "c", 3]);
  assert.deepEqual(await redis.zrange("board", 0, 0, { rev: true }), ["c"]);
  assert.equal(await redis.zscore("board", "b"), 2.5);
  assert.equal(await redis.zincrby("board", 10, "a"), 11);
});

test("geo, bitmaps and hyperloglogs", async () => {
  await redis.geoadd("places", { longitude: 13.361389, latitude: 38.115556, member: "Palermo" },
    { longitude: 15.087269, latitude: 37.502669, member: "Catania" });
  const near = await redis.geosearch("places", { type: "FROMLONLAT", coordinate: { lon: 15, lat: 37 } },
    { type: "BYRADIUS", radius: 100, radiusType: "KM" }, "ASC");
  assert.deepEqual(near.map((place) => place.member), ["Catania"]);
  assert.equal(await redis.setbit("bits", 7, 1), 0);
  assert.equal(await redis.bitcount("bits"), 1);
  assert.deepEqual(await redis.bitfield("field").set("u8", 0, 200).incrby("u8", 0, 50).exec(), [0, 250]);
  assert.equal(await redis.pfadd("seen", "a", "b", "c"), 1);
  assert.equal(await redis.pfcount("seen"), 3);
});

test("streams", async () => {
  const first = await redis.xadd("log", "*", { n: 1, text: "one" });
  await redis.xadd("log", "*", { n: 2 });
  assert.deepEqual(Object.values(await redis.xrange("log", "-", "+")), [{ n: 1, text: "one" }, { n: 2 }]);
  const read = await redis.xread("log", first);
  assert.equal(read[0][1].length, 1);
  await redis.xgroup("log", { type: "CREATE", group: "workers", id: "0" });
  const job = await redis.xreadgroup("workers", "me", "log", ">", { count: 1 });
  assert.equal(await redis.xack("log", "workers", job[0][1][0][0]), 1);
});

test("scripts", async () => {
  const script = redis.createScript("return {KEYS[1], ARGV[1], 7}");
  assert.deepEqual(await script.exec(["key"], ["value"]), ["key", "value", 7]);
  const sum = await redis.eval("return tonumber(ARGV[1]) + tonumber(ARGV[2])", [], [2, 3]);
  assert.equal(sum, 5);
  const sha = await redis.scriptLoad("return 'loaded'");
  assert.deepEqual(await redis.scriptExists(sha), [1]);
  assert.equal(await redis.evalsha(sha, [], []), "loaded");
});

test("scanning", async () => {
  await redis.mset(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`key:${n}`, n])));
  const seen = new Set();
  let cursor = "0";
  do {
    let keys;
    [cursor, keys] = await redis.scan(cursor, { match: "key:*", count: 100 });
    keys.forEach((key) => seen.add(key));
  } while (cursor !== "0");
  assert.equal(seen.size, 300);
});

test("pipelines, transactions and automatic pipelining", async () => {
  const pipeline = redis.pipeline().set("a", 1).incr("a").get("a").hset("h", { x: 1 });
  assert.deepEqual(await pipeline.exec(), ["OK", 2, 2, 1]);
  assert.deepEqual(await redis.multi().set("b", 1).incr("b").exec(), ["OK", 2]);
  const kept = await redis.pipeline().set("c", "text").incr("c").exec({ keepErrors: true });
  assert.equal(kept[0].result, "OK");
  assert.match(kept[1].error, /^ERR value is not an integer/);
  const broken = redis.multi().set("b", 5);
  broken.json.get("not a command here");
  await assert.rejects(broken.exec(), /EXECABORT/);
  assert.equal(await redis.get("b"), 2);
  const automatic = new Redis({ ...config, enableAutoPipelining: true });
  const results = await Promise.all(Array.from({ length: 50 }, () => automatic.incr("auto")));
  assert.deepEqual(results.sort((x, y) => x - y), Array.from({ length: 50 }, (_, n) => n + 1));
  assert.ok(automatic.pipelineCounter < 50);
});

test("errors keep their code", async () => {
  await redis.lpush("list", 1);
  await assert.rejects(redis.get("list"), /WRONGTYPE/);
  await assert.rejects(redis.evalsha("f".repeat(40), [], []), /NOSCRIPT/);
  await assert.rejects(new Redis({ ...config, token: "wrong" }).get("a"), /not known/);
});

test("binary values", async () => {
  const plain = new Redis({ ...config, responseEncoding: false });
  await redis.setrange("bytes", 0, "ab");
  assert.equal(await plain.get("bytes"), "ab");
  const answer = await fetch(`${config.url}/set/raw`, {
    method: "POST", body: Uint8Array.of(0, 255, 128), headers: { Authorization: `Bearer ${config.token}` },
  });
  assert.deepEqual(await answer.json(), { result: "OK" });
  assert.equal(await redis.strlen("raw"), 3);
});

test("publish and subscribe", async () => {
  const messages = [];
  const subscription = redis.subscribe("news");
  const patterns = redis.psubscribe("n*");
  const ready = (subscriber, event) => new Promise((resolve) => subscriber.on(event, resolve));
  await Promise.all([ready(subscription, "subscribe"), ready(patterns, "psubscribe")]);
  const both = new Promise((resolve) => {
    const keep = (message) => { messages.push(message); if (messages.length === 2) resolve(); };
    subscription.on("message", keep);
    patterns.on("pmessage", keep);
  });
  await redis.publish("news", { hello: "world, again" });
  await both;
  messages.sort((a, b) => (a.pattern ?? "").localeCompare(b.pattern ?? ""));
  assert.deepEqual(messages, [
    { channel: "news", message: { hello: "world, again" } },
    { pattern: "n*", channel: "news", message: { hello: "world, again" } },
  ]);
  await subscription.unsubscribe();
  await patterns.unsubscribe();
});

for (const [name, limiter] of [
  ["fixed window", Ratelimit.fixedWindow(3, "1 d")],
  ["sliding window", Ratelimit.slidingWindow(3, "1 d")],
  ["token bucket", Ratelimit.tokenBucket(3, "60 s", 3)],
]) {
  test(`rate limit: ${name}`, async () => {
    const ratelimit = new Ratelimit({ redis, limiter, ephemeralCache: false, prefix: name });
    const outcomes = [];
    for (let n = 0; n < 5; n++) outcomes.push((await ratelimit.limit("somebody")).success);
    assert.deepEqual(outcomes, [true, true, true, false, false]);
    assert.equal((await ratelimit.limit("somebody else")).success, true);
    assert.equal((await ratelimit.getRemaining("somebody")).remaining, 0);
    await ratelimit.resetUsedTokens("somebody");
    assert.equal((await ratelimit.limit("somebody")).success, true);
  });
}
