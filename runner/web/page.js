// One model at a time under LiteRT.js, step by step as `runner/web/session.py` asks: begin, compile, run each feed, close.
//
// Output buffers hold the sentinel before each run, as on every other target. LiteRT.js makes them itself, in two places:
// - An output of the delegate is a GPU buffer, made in `run` before the first command is encoded: it is filled as it is made.
// - An output that the delegate does not know is left in the runtime's own memory, uninitialised. It is filled after a first
//   run and given back, and the run repeated: the allocator gives the same memory out again.
import * as litert from '@litertjs/core';

const SENTINEL = 0xFEEDC0DE; // runner.run.SENTINEL_BITS
const ARRAYS = {float32: Float32Array, int32: Int32Array, uint8: Uint8Array};
const ERRORS = {GPUValidationError: 'Validation', GPUOutOfMemoryError: 'Out-of-memory', GPUInternalError: 'Internal'};

let liteRt = null;
let compiled = null;
let onGpu = false;
let lost = null; // why the GPU's device is gone
let endPage = null; // tells whoever waits that this page cannot go on
const pageEnded = new Promise((_, reject) => { endPage = reject; });
pageEnded.catch(() => {});

const isAbort = error => error instanceof WebAssembly.RuntimeError || /^(RuntimeError: )?Aborted\(/.test(String(error?.message ?? error));
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

let filled = null; // the buffers that were filled in this run, until its first command
function fillNewOutputs() {
  const {createBuffer, createCommandEncoder} = GPUDevice.prototype;
  let isOpen = false;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (!isOpen || descriptor.mappedAtCreation || !(descriptor.usage & GPUBufferUsage.STORAGE)) {
      return createBuffer.call(this, descriptor);
    }
    const buffer = createBuffer.call(this, {...descriptor, mappedAtCreation: true});
    new Uint32Array(buffer.getMappedRange()).fill(SENTINEL);
    buffer.unmap();
    filled.add(buffer);
    return buffer;
  };
  GPUDevice.prototype.createCommandEncoder = function (...given) {
    isOpen = false;
    return createCommandEncoder.apply(this, given);
  };
  return () => { filled = new Set(); isOpen = true; };
}
const openForFilling = fillNewOutputs();

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

window.compile = step(async (model, accelerator, precision) => {
  onGpu = accelerator === 'webgpu';
  const options = onGpu ? {accelerator, gpuOptions: {precision}} : {accelerator};
  compiled = await liteRt.loadAndCompile(Uint8Array.fromBase64(model), options);
  const plain = details => details.map(({name, shape, dtype}) => ({name, shape: [...shape], dtype}));
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

async function runOnce(inputs) {
  const outputs = await runFilled(inputs);
  const unknown = onGpu ? outputs.flatMap((output, i) => output.accelerator === 'wasm' ? [i] : []) : [];
  if (unknown.length === 0) return outputs;
  for (const i of unknown) fillInMemory(outputs[i]);
  for (const i of unknown) outputs[i].delete();
  const again = await runFilled(inputs);
  for (const [i, output] of again.entries()) {
    if (unknown.includes(i)) outputs[i] = output;
    else output.delete();
  }
  return outputs;
}

async function runFilled(inputs) {
  if (!onGpu) return compiled.run(inputs);
  openForFilling();
  const outputs = await compiled.run(inputs);
  const buffers = outputs.filter(output => output.accelerator === 'webgpu').map(output => output.toGpuBuffer());
  // Else something that is no output was overwritten, or an output was not filled: no result can be believed.
  if (buffers.length !== filled.size || !buffers.every(buffer => filled.has(buffer))) {
    throw new Error(`this LiteRT.js makes its output buffers otherwise: ${filled.size} were filled, ${buffers.length} are outputs`);
  }
  return outputs;
}

function fillInMemory(tensor) {
  const {liteRtWasm} = liteRt;
  const buffer = tensor.liteRtTensorBuffer;
  const address = buffer.lock(liteRtWasm.LiteRtTensorBufferLockMode.WRITE);
  const pattern = new Uint8Array(Uint32Array.of(SENTINEL).buffer);
  for (let i = 0; i < buffer.size(); ++i) liteRtWasm.HEAPU8[address + i] = pattern[i % 4];
  buffer.unlock();
}

async function readOutput(tensor) {
  const onHost = tensor.accelerator === 'wasm' ? tensor : await tensor.moveTo('wasm');
  const array = onHost.toTypedArray();
  const data = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).toBase64();
  const shape = [...onHost.type.layout.dimensions];
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
