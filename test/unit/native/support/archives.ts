import { deflateRawSync } from 'node:zlib';
import * as zlib from 'node:zlib';

const crc32 =
  (zlib as unknown as { crc32?: (data: Buffer) => number }).crc32 ??
  ((data: Buffer): number => {
    let crc = 0xffffffff;
    for (const byte of data) {
      crc ^= byte;
      for (let bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    return ~crc >>> 0;
  });

export interface Member {
  name: string;
  content: string | Buffer;
  /** Leave it as it is; default: deflate it. */
  stored?: boolean;
  /** What the archive claims instead of the truth. */
  claimedCrc?: number;
  claimedBytes?: number;
}

/** A zip archive of these members, names written as they are given. */
export function zipOf(members: readonly Member[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const member of members) {
    const content = Buffer.from(member.content);
    const packed = member.stored ? content : deflateRawSync(content);
    const name = Buffer.from(member.name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(member.stored ? 0 : 8, 4);
    common.writeUInt32LE(member.claimedCrc ?? crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(member.claimedBytes ?? content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, name);
    files.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, central, end]);
}

/** A tar archive of these members (ustar; a name over 100 bytes as GNU tar writes it). */
export function tarOf(members: readonly { name: string; content: string; type?: string }[]): Buffer {
  const blocks: Buffer[] = [];
  const entry = (name: string, content: Buffer, type: string): void => {
    const header = Buffer.alloc(512);
    header.write(name.slice(0, 100), 0);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write(type, 156);
    header.write('ustar\0' + '00', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  };
  for (const { name, content, type } of members) {
    if (name.length > 100) entry('././@LongLink', Buffer.from(`${name}\0`), 'L');
    entry(name, Buffer.from(content), type ?? '0');
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
