import { option, say, type Wording } from '../../system/wording';

/** What a file is that is not text, by its first bytes: so that a spreadsheet is not called a damaged CSV. */

const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));

export interface Container {
  /** What follows the file's name and «is». */
  is: string;
  remedy: Wording;
}

interface Kind extends Container {
  bytes: readonly number[];
}

const spreadsheet = say`Save it from the spreadsheet program as CSV (UTF-8), and pass that file.`;
const pickle = say`Such a file is never executed. Write it again as Parquet, CSV or JSON Lines.`;
const unpack = say`Unpack it first; of the packed files only gzip (.gz) is read as it is.`;

const kinds: readonly Kind[] = [
  {
    bytes: [0xd0, 0xcf, 0x11, 0xe0],
    is: 'an old Excel workbook (.xls) or another Office document',
    remedy: spreadsheet,
  },
  {
    bytes: ascii('PAR1'),
    is: 'a Parquet file',
    remedy: say`Name it .parquet, or pass ${option('file.format', 'parquet')}.`,
  },
  { bytes: ascii('PARE'), is: 'an encrypted Parquet file', remedy: say`Write it again without encryption.` },
  { bytes: ascii('ARROW1'), is: 'an Arrow (Feather) file', remedy: say`Write it again as Parquet, CSV or JSON Lines.` },
  {
    bytes: [0xff, 0xff, 0xff, 0xff],
    is: 'a stream of Arrow',
    remedy: say`Write it again as Parquet, CSV or JSON Lines.`,
  },
  { bytes: ascii('Obj\u0001'), is: 'an Avro file', remedy: say`Write it again as Parquet, CSV or JSON Lines.` },
  { bytes: ascii('ORC'), is: 'an ORC file', remedy: say`Write it again as Parquet, CSV or JSON Lines.` },
  { bytes: ascii('SQLite format 3\0'), is: 'a database of SQLite', remedy: say`Export the table as CSV.` },
  { bytes: [0x93, ...ascii('NUMPY')], is: 'an array of NumPy', remedy: say`Write it as CSV or JSON Lines.` },
  { bytes: [0x89, ...ascii('HDF')], is: 'an HDF5 file', remedy: say`Write it as Parquet, CSV or JSON Lines.` },
  ...[2, 3, 4, 5].map((protocol) => ({ bytes: [0x80, protocol], is: 'a pickle of Python', remedy: pickle })),
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], is: 'packed with zstd', remedy: unpack },
  { bytes: ascii('BZh'), is: 'packed with bzip2', remedy: unpack },
  { bytes: [0xfd, ...ascii('7zXZ')], is: 'packed with xz', remedy: unpack },
  { bytes: [0x04, 0x22, 0x4d, 0x18], is: 'packed with lz4', remedy: unpack },
  { bytes: [0x37, 0x7a, 0xbc, 0xaf], is: 'a 7-Zip archive', remedy: unpack },
  { bytes: ascii('Rar!'), is: 'a RAR archive', remedy: unpack },
];

/** What the spreadsheet programs' files are called. */
const spreadsheets = ['.xlsx', '.xlsm', '.xlsb', '.xls', '.ods', '.numbers'];

function startsWith(bytes: Uint8Array, beginning: readonly number[]): boolean {
  return bytes.length >= beginning.length && beginning.every((byte, i) => bytes[i] === byte);
}

/** A zip archive by the names that it begins with; Office and OpenDocument files are such archives. */
function archive(bytes: Uint8Array): Container {
  const names = Buffer.from(bytes.subarray(0, 4096)).toString('latin1');
  if (names.includes('opendocument.spreadsheet'))
    return { is: 'an OpenDocument spreadsheet (.ods)', remedy: spreadsheet };
  if (names.includes('xl/')) return { is: 'an Excel workbook (.xlsx)', remedy: spreadsheet };
  if (names.includes('Index/') || names.includes('.iwa')) return { is: 'a Numbers document', remedy: spreadsheet };
  if (names.includes('word/')) return { is: 'a Word document', remedy: say`Save it as plain text.` };
  if (names.includes('[Content_Types].xml')) return { is: 'an Office document (.xlsx or such)', remedy: spreadsheet };
  return { is: 'a zip archive', remedy: unpack };
}

/** What the bytes are, if they are known not to be text: what follows «is», and a sentence on what to do. */
export function containerOf(bytes: Uint8Array): Container | undefined {
  if (startsWith(bytes, [0x50, 0x4b, 0x03, 0x04]) || startsWith(bytes, [0x50, 0x4b, 0x05, 0x06])) return archive(bytes);
  // A text may begin with the letters of «ORC», but has no zero bytes near them.
  const binary = bytes.subarray(0, 512).includes(0);
  return kinds.find((kind) => startsWith(bytes, kind.bytes) && (binary || !kind.bytes.every((byte) => byte < 0x80)));
}

/** The same by a file's extension, in small letters with the dot. */
export function containerByExtension(extension: string): Container | undefined {
  if (spreadsheets.includes(extension)) return { is: `a spreadsheet (${extension})`, remedy: spreadsheet };
  if (['.zip', '.7z', '.rar', '.bz2', '.xz', '.zst', '.lz4', '.tar', '.tgz'].includes(extension)) {
    return { is: `a packed file (${extension})`, remedy: unpack };
  }
  if (['.feather', '.arrow', '.avro', '.orc'].includes(extension)) {
    return { is: `a ${extension} file`, remedy: say`Write it again as Parquet, CSV or JSON Lines.` };
  }
  if (extension === '.pkl' || extension === '.pickle') {
    return { is: 'a pickle of Python', remedy: pickle };
  }
  return undefined;
}

/** Text that is no data, but came in its place. */
export function notData(beginning: string): Container | undefined {
  const text = beginning.slice(0, 400).trimStart();
  if (text.startsWith('version https://git-lfs.github.com/spec/')) {
    return {
      is: 'a pointer of Git LFS, not the file that it stands for',
      remedy: say`Fetch the file with git lfs pull.`,
    };
  }
  if (/^<(!doctype\s+html|html|head|body)\b/i.test(text)) {
    return {
      is: 'a page of HTML, as a server sends it in place of a file',
      remedy: say`Fetch the file again, and look at the address that it came from.`,
    };
  }
  if (text.startsWith('%PDF-')) return { is: 'a PDF', remedy: say`Write the rows as CSV or JSON Lines.` };
  if (text.startsWith('{\\rtf')) return { is: 'a formatted document (RTF)', remedy: say`Save it as plain text.` };
  if (/^<\?xml\b/i.test(text)) return { is: 'XML', remedy: say`Write the rows as CSV or JSON Lines.` };
  return undefined;
}
