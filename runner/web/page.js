// One model at a time under LiteRT.js, step by step as `runner/web/session.py` asks: begin, compile, run each feed, close.
//
// What nothing wrote holds the sentinel, as on every other target. LiteRT.js makes the output buffers itself, in `run` before
// the first command is encoded, and in two places:
// - An output of the delegate is a GPU buffer. It is filled with the sentinel as it is made.
// - An output that the delegate does not know is left in the runtime's own memory, uninitialised, at an address that only
//   the end of the run tells. So that memory is copied when the first command is encoded. Where the output's part of it is
//   the same after the run, nothing wrote it, and the sentinel takes its place. Memory of zeros cannot tell, so what is new
//   is not left as zeros, and what held zeros all the same is filled, given back, and run again.
import * as litert from '@litertjs/core';

const SENTINEL = 0xFEEDC0DE; // runner.run.SENTINEL_BITS
const FREE_BYTES = 8 << 20;
const ARRAYS = {float32: Float32Array, int32: Int32Array, uint8: Uint8Array};
const GPU_BUFFERS = {WEB_GPU_BUFFER: 20, WEB_GPU_BUFFER_FP16: 21, WEB_GPU_BUFFER_PACKED: 26}; // LiteRtTensorBufferType
const ERRORS = {GPUValidationError: 'Validation', GPUOutOfMemoryError: 'Out-of-memory', GPUInternalError: 'Internal'};

let liteRt = null;
let compiled = null;
let onGpu = false;
let unknownOutputs = []; // indices of the outputs that the delegate does not know
let unreadResults = 0; // results of ops that nobody reads: the delegate makes a buffer for each, as for an output
let lost = null; // why the GPU's device is gone
let endPage = null; // tells whoever waits that this page cannot go on
const pageEnded = new Promise((_, reject) => { endPage = reject; });
pageEnded.catch(() => {});

const ABORTS = /^(RuntimeError: )?Aborted\(|^Program terminated with exit/;
const isAbort = error => error instanceof WebAssembly.RuntimeError || ABORTS.test(String(error?.message ?? error));
const oneLine = error => String(error?.message ?? error).split('\n')[0];
window.addEventListener('unhandledrejection', event => { if (isAbort(event.reason)) endPage(event.reason); });
window.addEventListener('error', event => { if (isAbort(event.error ?? event.message)) endPage(event.error ?? event.message); });

// --- what the delegate sees of the GPU ----------------------------------------------------------------------------------

function present(name) {
  const real = Object.getOwnPropertyDescriptor(GPUDevice.prototype, 'adapterInfo').get;
  Object.defineProperty(GPUDevice.prototype, 'adapterInfo', {
    get() {
      const {subgroupMinSize, subgroupMaxSize, isFallbackAdapter} = real.call(this);
      return {vendor: '', architecture: '', device: name, description: name, subgroupMinSize, subgroupMaxSize, isFallbackAdapter};
    },
  });
}

let filled = null; // the GPU buffers that were filled in this run
let memoryBefore = null; // the runtime's memory when the first command of this run was encoded
let isBeforeCommands = false;
const {createBuffer, createCommandEncoder} = GPUDevice.prototype;
GPUDevice.prototype.createBuffer = function (descriptor) {
  if (!isBeforeCommands || descriptor.mappedAtCreation || !(descriptor.usage & GPUBufferUsage.STORAGE)) {
    return createBuffer.call(this, descriptor);
  }
  const buffer = createBuffer.call(this, {...descriptor, mappedAtCreation: true});
  new Uint32Array(buffer.getMappedRange()).fill(SENTINEL);
  buffer.unmap();
  filled.add(buffer);
  return buffer;
};
GPUDevice.prototype.createCommandEncoder = function (...given) {
  if (isBeforeCommands && unknownOutputs.length > 0) memoryBefore = liteRt.liteRtWasm.HEAPU8.slice();
  isBeforeCommands = false;
  return createCommandEncoder.apply(this, given);
};

// --- the steps ----------------------------------------------------------------------------------------------------------

// A step's answer: {value}, or how it ended otherwise. `crash`: the page is of no use any more.
const step = work => async (...given) => {
  try {
    return {value: await Promise.race([work(...given), pageEnded])};
  } catch (error) {
    const why = lost ?? oneLine(error);
    return lost !== null || isAbort(error) ? {crash: why} : {refused: why};
  }
};

window.begin = step(async (presented) => {
  if (presented) present(presented);
  liteRt = await litert.loadLiteRt('/core/wasm/');
  fillFreeMemory();
  const device = liteRt.getWebGpuDevice();
  if (!device) return null;
  device.addEventListener('uncapturederror', event => {
    event.preventDefault();
    console.log(`${ERRORS[event.error.constructor.name] ?? 'Internal'} error: ${event.error.message}`);
  });
  device.lost.then(({reason, message}) => { lost = `the GPU's device was lost (${reason}): ${message}`; endPage(new Error(lost)); });
  const {vendor, architecture, device: model, description} = device.adapterInfo;
  return {vendor, architecture, device: model, description};
});

window.compile = step(async (model, accelerator, precision, unread) => {
  onGpu = accelerator === 'webgpu';
  unreadResults = unread;
  const options = onGpu ? {accelerator, gpuOptions: {precision}} : {accelerator};
  compiled = await liteRt.loadAndCompile(Uint8Array.fromBase64(model), options);
  const plain = details => details.map(({name, shape, dtype}) => ({name, shape: [...shape], dtype}));
  const isUnknown = ({supportedBufferTypes}) => !Object.values(GPU_BUFFERS).some(type => supportedBufferTypes.has(type));
  unknownOutputs = onGpu ? compiled.getOutputDetails().flatMap((details, i) => isUnknown(details) ? [i] : []) : [];
  return {inputs: plain(compiled.getInputDetails()), outputs: plain(compiled.getOutputDetails()),
          fully: onGpu ? compiled.isFullyAccelerated : null};
});

window.runFeed = step(async (feed) => {
  const details = compiled.getInputDetails();
  const inputs = [];
  for (const [i, data] of feed.entries()) {
    const tensor = new litert.Tensor(new ARRAYS[details[i].dtype](Uint8Array.fromBase64(data).buffer), details[i].shape);
    inputs.push(onGpu ? await tensor.moveTo('webgpu') : tensor);
  }
  try {
    const started = performance.now();
    const outputs = await runOnce(inputs);
    const read = [];
    if (outputs.length) read.push(await readOutput(outputs[0]));
    const finished = performance.now();
    for (const output of outputs.slice(1)) read.push(await readOutput(output));
    return {outputs: read, run_s: (finished - started) / 1000, read_s: (performance.now() - finished) / 1000};
  } finally {
    inputs.forEach(tensor => tensor.delete());
  }
});

const REPEATS = 4;

async function runOnce(inputs) {
  if (!onGpu) return compiled.run(inputs);
  const outputs = await runFilled(inputs);
  const untold = () => unknownOutputs.filter(i => wordsOf(outputs[i]).every(word => word === 0));
  for (let repeat = 0; repeat < REPEATS && untold().length > 0; ++repeat) {
    for (const i of unknownOutputs) wordsOf(outputs[i]).fill(SENTINEL);
    for (const i of unknownOutputs) outputs[i].delete();
    const again = await runFilled(inputs);
    // The delegate's own outputs stay those of the first run: a second one could hide what an earlier input left behind.
    again.forEach((output, i) => { if (unknownOutputs.includes(i)) outputs[i] = output; else output.delete(); });
  }
  untold().forEach(sayUntold);
  return outputs;
}

function sayUntold(i) {
  console.log(`output ${i}: it cannot be told on this target whether anything wrote it`);
}

async function runFilled(inputs) {
  [filled, memoryBefore, isBeforeCommands] = [new Set(), null, true];
  const outputs = await compiled.run(inputs);
  isBeforeCommands = false;
  const buffers = outputs.filter((_, i) => !unknownOutputs.includes(i)).map(output => output.toGpuBuffer());
  // Else something that is no output was overwritten, or an output was not filled: no result can be believed.
  const others = filled.size - buffers.length;
  if (others > unreadResults || !buffers.every(buffer => filled.has(buffer))) {
    throw new Error(`this LiteRT.js makes its output buffers otherwise: ${filled.size} were filled, ${buffers.length} are outputs`);
  }
  for (const i of unknownOutputs) {
    const words = wordsOf(outputs[i]);
    const before = memoryBefore && new Uint32Array(memoryBefore.buffer, words.byteOffset, words.length);
    if (before === null) sayUntold(i); // no command for the GPU at all
    else if (words.some(word => word !== 0) && words.every((word, k) => word === before[k])) words.fill(SENTINEL);
  }
  return outputs;
}

// What of it fills whole words, which is all of it but for a few last bytes of small integers.
function wordsOf(tensor) {
  const buffer = tensor.liteRtTensorBuffer;
  const address = buffer.lock(liteRt.liteRtWasm.LiteRtTensorBufferLockMode.WRITE);
  buffer.unlock();
  return new Uint32Array(liteRt.liteRtWasm.HEAPU8.buffer, address, Math.floor(buffer.size() / 4));
}

function fillFreeMemory() {
  const address = liteRt.liteRtWasm._malloc(FREE_BYTES);
  new Uint32Array(liteRt.liteRtWasm.HEAPU8.buffer, address, FREE_BYTES / 4).fill(SENTINEL);
  liteRt.liteRtWasm._free(address);
}

async function readOutput(tensor) {
  const onHost = tensor.accelerator === 'wasm' ? tensor : await tensor.moveTo('wasm');
  const array = onHost.toTypedArray();
  const data = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).toBase64();
  const shape = [...onHost.type.layout.dimensions];
  wordsOf(onHost).fill(SENTINEL); // or the next run's output may find its own right values here
  onHost.delete();
  return {data, shape};
}

// Errors of the GPU come in the order of what caused them, so that those of this model are in the log when this returns.
window.close_ = step(async () => {
  compiled?.delete();
  compiled = null;
  await liteRt.getWebGpuDevice()?.queue.onSubmittedWorkDone();
  return null;
});

window.isReady = true;
