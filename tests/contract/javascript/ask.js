// Usage: node ask.js ws://host:port/gremlin MIMETYPE < queries.json
// Prints {name: answers}, of queries that are lists of steps (tests/contract/queries.py).
import { readFileSync } from "node:fs";
import gremlin from "gremlin";

const { DriverRemoteConnection } = gremlin.driver;
const { statics: __, AnonymousTraversalSource } = gremlin.process;

const [url, mimeType] = process.argv.slice(2);
const queries = JSON.parse(readFileSync(0, "utf8"));
const connection = new DriverRemoteConnection(url, { mimeType });
const g = AnonymousTraversalSource.traversal().withRemote(connection);

const spelling = { with: "with_" };
const argument = (value) => (value?.child ? chain(__, value.child) : value);
const chain = (start, steps) =>
  steps.reduce((traversal, [name, ...values]) => traversal[spelling[name] ?? name](...values.map(argument)), start);

const answers = {};
for (const [name, steps] of Object.entries(queries)) answers[name] = await chain(g, steps).toList();
await connection.close();
console.log(JSON.stringify(answers));
