// SPDX-License-Identifier: Apache-2.0

// usage: node node.js wasm_exec.js attesteer.wasm < INPUT
//
// Loads the module, evaluates the input's expressions one after the other with
// its values in scope, releases the module and prints what they came to.
// The input is {"bytes": {name: base64}, "values": {name: any}, "expressions": []}.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

globalThis.crypto ??= require("node:crypto").webcrypto; // Node 18 has it there only
const [executor, module_] = process.argv.slice(2).map((name) => path.resolve(name));
require(executor);

const bytes = (base64) => new Uint8Array(Buffer.from(base64, "base64"));

async function run() {
	const input = JSON.parse(fs.readFileSync(0, "utf8"));
	const scope = { bytes, ...input.values };
	for (const [name, base64] of Object.entries(input.bytes ?? {})) {
		scope[name] = bytes(base64);
	}

	const go = new Go();
	const { instance } = await WebAssembly.instantiate(fs.readFileSync(module_), go.importObject);
	go.run(instance);
	const answers = input.expressions.map((expression) =>
		new Function(...Object.keys(scope), `"use strict"; return (${expression});`)(...Object.values(scope)));

	attesteer.release();
	if ("attesteer" in globalThis) {
		throw new Error("the global object outlived its release");
	}
	return JSON.stringify(answers);
}

run().then((answers) => process.stdout.write(answers), (err) => {
	console.error(err);
	process.exitCode = 1;
});
