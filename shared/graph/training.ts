/**
 * The graphs of a learner step, one layer at a time: the same session serves every layer, and the backward graph recomputes the
 * layer from its input, so that only layer inputs are kept (activation checkpointing, Chen et al. 2016).
 */
import type { DecoderConfig } from '../model/config.ts'
import { loraScale, type LoraConfig } from '../model/lora.ts'
import { differentiate } from './autodiff.ts'
import { adapterInputs, attentionInputs, DecoderLayer, rmsNorm, weightInputs, type LayerParameters } from './decoder-layer.ts'
import { GraphBuilder, type Value } from './graph-builder.ts'

/** Name of the output that holds the gradient of the input `name`. */
export function gradientOf(name: string): string {
  return `${name}.gradient`
}

/** Port names of the head graphs: the same for tied and untied embeddings. */
export const FINAL_NORM_PORT = 'norm.weight'
export const HEAD_PORT = 'head.weight'

/** Inputs: `hidden` [rows, hidden], those of `attentionInputs`, weights, adapter. Output: `output` [rows, hidden]. */
export function layerForwardGraph(config: DecoderConfig, lora: LoraConfig | null): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder('layer_forward')
  const { output } = layer(graph, config, lora)
  graph.output('output', output)
  return graph.build()
}

/**
 * Inputs: those of the forward graph and `output.gradient`. Outputs: `hidden.gradient` and the gradient of every adapter matrix,
 * or without an adapter of every weight.
 */
export function layerBackwardGraph(config: DecoderConfig, lora: LoraConfig | null): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder('layer_backward')
  const { hidden, output, weights, adapter } = layer(graph, config, lora)
  const seed = graph.input(gradientOf('output'), 'float32', output.shape)
  const wanted = [hidden, ...(lora === null ? weights : adapter).values()]
  for (const [index, gradient] of differentiate(graph, [{ value: output, gradient: seed }], wanted).entries()) {
    graph.output(gradientOf(wanted[index]!.name), gradient)
  }
  return graph.build()
}

/**
 * Inputs: `hidden` [rows, hidden], `norm.weight`, `head.weight`, `targets` int64 [rows, 1].
 * Outputs: `logits` [rows, vocab], `log_probs` [rows, 1] of the targets, `entropies` [rows, 1] in nats.
 */
export function headForwardGraph(config: DecoderConfig): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder('head_forward')
  const { logits, targets } = head(graph, config)
  const column = [{ type: 'float32' as const, shape: ['rows', 1] }]
  const [all] = graph.node('LogSoftmax', [logits], [{ type: 'float32', shape: logits.shape }], { axis: -1 }) as [Value]
  const [chosen] = graph.node('GatherElements', [all, targets], column, { axis: 1 }) as [Value]
  graph.output('logits', logits)
  graph.output('log_probs', chosen)
  graph.output('entropies', graph.neg(graph.sum(graph.mul(graph.exp(all), all), [1], true)))
  return graph.build()
}

/**
 * Inputs: those of the forward graph and `log_probs.gradient` [rows, 1]. Outputs: `hidden.gradient` and, when `full`, the gradients
 * of `norm.weight` and `head.weight`. With c the given gradient, p the softmax and y the target, ∂/∂logits = c · (onehot(y) − p).
 */
export function headBackwardGraph(config: DecoderConfig, full: boolean): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder('head_backward')
  const { hidden, norm, weight, logits, targets } = head(graph, config)
  const coefficients = graph.input(gradientOf('log_probs'), 'float32', ['rows', 1])
  const spread = graph.neg(graph.mul(graph.softmax(logits), coefficients))
  const [seed] = graph.node('ScatterElements', [spread, targets, coefficients], [{ type: 'float32', shape: logits.shape }], {
    axis: 1,
    reduction: 'add'
  }) as [Value]
  const wanted = full ? [hidden, norm, weight] : [hidden]
  for (const [index, gradient] of differentiate(graph, [{ value: logits, gradient: seed }], wanted).entries()) {
    graph.output(gradientOf(wanted[index]!.name), gradient)
  }
  return graph.build()
}

function layer(
  graph: GraphBuilder,
  config: DecoderConfig,
  lora: LoraConfig | null
): { hidden: Value; output: Value; weights: LayerParameters; adapter: LayerParameters } {
  const hidden = graph.input('hidden', 'float32', ['rows', config.hiddenSize])
  const attention = attentionInputs(graph, config)
  const weights = weightInputs(graph, config)
  const adapter: LayerParameters = lora === null ? new Map() : adapterInputs(graph, config, lora)
  const scale = lora === null ? 0 : loraScale(lora)
  const output = new DecoderLayer(graph, config, new Map([...weights, ...adapter]), attention, scale).apply(hidden)
  return { hidden, output, weights, adapter }
}

function head(graph: GraphBuilder, config: DecoderConfig): { hidden: Value; norm: Value; weight: Value; targets: Value; logits: Value } {
  const hidden = graph.input('hidden', 'float32', ['rows', config.hiddenSize])
  const norm = graph.input(FINAL_NORM_PORT, 'float32', [config.hiddenSize])
  const weight = graph.input(HEAD_PORT, 'float32', [config.vocabSize, config.hiddenSize])
  const targets = graph.input('targets', 'int64', ['rows', 1])
  const logits = graph.gemm(rmsNorm(graph, hidden, norm, config.rmsNormEpsilon), weight, { transB: true })
  return { hidden, norm, weight, targets, logits }
}
