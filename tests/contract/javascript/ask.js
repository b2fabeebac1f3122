// Usage: node ask.js ws://host:port/gremlin MIMETYPE < queries.json
// Prints {name: answers}, of queries that are lists of steps (tests/contract/queries.py).
import { readFileSync } from "node:fs";
import gremlin from "gremlin";

const { DriverRemoteConnection } = gremlin.driver;
const { statics: __, order, t, P, AnonymousTraversalSource } = gremlin.process;

const [url, mimeType] = process.argv.slice(2);
const queries = JSON.parse(readFileSync(0, "utf8"));
const connection = new DriverRemoteConnection(url, { mimeType });
const g = AnonymousTraversalSource.traversal().withRemote(connection);

const spelling = { in: "in_", with: "with_" };
const argument = (value) => {
  if (value?.child) return chain(__, value.child);
  if (value?.P) return P[value.P[0]](...value.P.slice(1));
  if (value?.Order) return order[value.Order];
  return value?.T ? t[value.T] : value;
};
const chain = (start, steps) =>
  steps.reduce((traversal, [name, ...values]) => traversal[spelling[name] ?? name](...values.map(argument)), start);

const answers = {};
for (const [name, steps] of Object.entries(queries)) answers[name] = await chain(g, steps).toList();
await connection.close();
console.log(JSON.stringify(answers, (_, value) => (value instanceof Map ? Object.fromEntries(value) : value)));
