// What an independent client of the Hub does with the embedded one, from beginning to end.
// Usage: node client.mjs URL TOKEN NAMESPACE; ends with exit code 0 if all of it went well.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  commit,
  createBranch,
  createRepo,
  deleteBranch,
  deleteFile,
  deleteRepo,
  downloadFile,
  fileDownloadInfo,
  fileExists,
  HubApiError,
  listCommits,
  listFiles,
  listModels,
  modelInfo,
  pathsInfo,
  repoExists,
  whoAmI,
} from "@huggingface/hub";

const [hubUrl, accessToken, namespace] = process.argv.slice(2);
const hub = { hubUrl, accessToken };
const repo = { type: "model", name: `${namespace}/from-javascript` };
const tag = "made-by-javascript";
const card = `---\nlibrary_name: palrs-hub\ntags: [${tag}]\nbase_model: lab/base\n---\n# A vector\n`;
const small = randomBytes(5_000);
// Above what travels inside a commit, so that LFS is used.
const large = randomBytes(10 * 2 ** 20 + 1);

async function all(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}

async function download(path, options = {}) {
  const blob = await downloadFile({ ...hub, repo, path, ...options });
  assert.ok(blob, `${path} is not there`);
  return Buffer.from(await blob.arrayBuffer());
}

function put(path, content, options = {}) {
  const operations = [{ operation: "addOrUpdate", path, content: new Blob([content]) }];
  return commit({ ...hub, repo, operations, title: `add ${path}`, useXet: false, ...options });
}

async function makeAndPush() {
  assert.equal((await whoAmI(hub)).name, namespace);
  assert.equal(await repoExists({ ...hub, repo }), false);
  await createRepo({ ...hub, repo, visibility: "public" });
  assert.equal(await repoExists({ ...hub, repo }), true);
  await assert.rejects(createRepo({ ...hub, repo }), HubApiError);
  const operations = Object.entries({ "README.md": card, "deep/small.bin": small, "large.bin": large })
    .map(([path, content]) => ({ operation: "addOrUpdate", path, content: new Blob([content]) }));
  const made = await commit({ ...hub, repo, operations, title: "push", useXet: false });
  assert.equal((await modelInfo({ ...hub, name: repo.name, additionalFields: ["sha"] })).sha, made.commit.oid);
  return made.commit.oid;
}

async function look(oid) {
  const files = await all(listFiles({ ...hub, repo, recursive: true }));
  const paths = files.filter((file) => file.type === "file").map((file) => file.path);
  assert.deepEqual(paths, [".gitattributes", "README.md", "deep/small.bin", "large.bin"]);
  for (const query of [{ tags: [tag] }, { query: "FROM-java" }, { owner: namespace, tags: ["palrs-hub", tag] }]) {
    const models = await all(listModels({ ...hub, search: query, additionalFields: ["tags", "library_name"] }));
    assert.deepEqual(models.map((model) => model.name), [repo.name]);
    assert.ok(models[0].tags.includes("base_model:lab/base"));
  }
  assert.deepEqual(await all(listModels({ ...hub, search: { tags: ["absent"] } })), []);
  const [info] = await pathsInfo({ ...hub, repo, paths: ["large.bin"], expand: true });
  assert.equal(info.size, large.length);
  const commits = await all(listCommits({ ...hub, repo }));
  assert.deepEqual(commits.map((item) => item.oid)[0], oid);
}

async function pull(oid) {
  for (const revision of [undefined, "main", oid]) {
    assert.ok((await download("deep/small.bin", { revision })).equals(small));
    assert.ok((await download("large.bin", { revision })).equals(large));
  }
  const info = await fileDownloadInfo({ ...hub, repo, path: "large.bin" });
  assert.equal(info.size, large.length);
  assert.equal(await fileExists({ ...hub, repo, path: "absent" }), false);
}

async function change(oid) {
  await createBranch({ ...hub, repo, branch: "try/one" });
  await put("only-there.txt", "x", { branch: "try/one" });
  assert.equal((await download("only-there.txt", { revision: "try/one" })).toString(), "x");
  assert.equal(await fileExists({ ...hub, repo, path: "only-there.txt" }), false);
  await deleteBranch({ ...hub, repo, branch: "try/one" });
  await put("later.txt", "x", { parentCommit: oid });
  const stale = put("too-late.txt", "x", { parentCommit: oid });
  await assert.rejects(stale, (error) => error.statusCode === 412);
  const proposed = await put("proposed.txt", "x", { isPullRequest: true });
  assert.match(proposed.pullRequestUrl, /\/discussions\/1$/);
  await deleteFile({ ...hub, repo, path: "later.txt" });
  assert.equal(await fileExists({ ...hub, repo, path: "later.txt" }), false);
}

const oid = await makeAndPush();
await look(oid);
await pull(oid);
await change(oid);
await deleteRepo({ ...hub, repo });
assert.equal(await repoExists({ ...hub, repo }), false);
