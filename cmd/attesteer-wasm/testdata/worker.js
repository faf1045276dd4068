// SPDX-License-Identifier: Apache-2.0

// A Web Worker that holds the module and answers calls, each [function, ...arguments].
"use strict";

importScripts("wasm_exec.js");

const loaded = (async () => {
	const go = new Go();
	const { instance } = await WebAssembly.instantiateStreaming(fetch("attesteer.wasm"), go.importObject);
	go.run(instance);
})();

onmessage = async ({ data: [name, ...args] }) => {
	await loaded;
	postMessage(attesteer[name](...args));
};
