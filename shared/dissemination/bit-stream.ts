/** Numbers of few bits, one after the other, the highest bit first. The last byte is filled with zeros. */

/** Bits that one call writes or reads at most: with those of a byte begun they fit in 32. */
export const MOST_BITS = 25

export class BitWriter {
  #bytes = new Uint8Array(1024)
  #length = 0
  /** The low bits, fewer than 8, make no byte yet. */
  #pending = 0
  #pendingBits = 0

  /** @param value below 2^bits */
  write(value: number, bits: number): void {
    this.#pending = (this.#pending << bits) | value
    this.#pendingBits += bits
    while (this.#pendingBits >= 8) {
      this.#pendingBits -= 8
      this.#push(this.#pending >>> this.#pendingBits)
    }
  }

  finish(): Uint8Array<ArrayBuffer> {
    if (this.#pendingBits > 0) this.write(0, 8 - this.#pendingBits)
    return this.#bytes.slice(0, this.#length)
  }

  #push(byte: number): void {
    if (this.#length === this.#bytes.byteLength) {
      const larger = new Uint8Array(2 * this.#length)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[this.#length++] = byte
  }
}

/** Beyond the end it reads zeros; `bitsLeft` is negative then. */
export class BitReader {
  readonly #bytes: Uint8Array
  #next = 0
  /** The low `#pendingBits` are next. */
  #pending = 0
  #pendingBits = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get bitsLeft(): number {
    return 8 * (this.#bytes.byteLength - this.#next) + this.#pendingBits
  }

  read(bits: number): number {
    this.#fill(bits)
    this.#pendingBits -= bits
    return (this.#pending >>> this.#pendingBits) & ((1 << bits) - 1)
  }

  /** @returns how many ones come before the next zero, which is passed over; `most` where there are so many, and no zero is passed over */
  readOnes(most: number): number {
    this.#fill(most)
    const ones = Math.min(most, Math.clz32(~(this.#pending << (32 - this.#pendingBits))))
    this.#pendingBits -= Math.min(most, ones + 1)
    return ones
  }

  #fill(bits: number): void {
    while (this.#pendingBits < bits) {
      this.#pending = (this.#pending << 8) | (this.#bytes[this.#next] ?? 0)
      this.#next++
      this.#pendingBits += 8
    }
  }
}
