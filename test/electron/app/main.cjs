'use strict';
// The example app's main process: a window, and a utility process in which vectune works. What one says to the other
// goes through here; the main process itself never loads LibTorch, so that a crash of it could not take the app along.
//
// With VECTUNE_ELECTRON_CHECK the window stays hidden, the buttons are pressed by the check itself, and what the app
// did is printed as a line of JSON before it ends (.github/workflows/electron.yml).
const path = require('node:path');
const { app, BrowserWindow, ipcMain, utilityProcess } = require('electron');

const CHECK = process.env.VECTUNE_ELECTRON_CHECK !== undefined;

app.whenReady().then(() => {
  const window = new BrowserWindow({
    width: 520,
    height: 240,
    show: !CHECK,
    webPreferences: { preload: path.join(__dirname, 'preload.cjs'), backgroundThrottling: false },
  });
  const worker = utilityProcess.fork(path.join(__dirname, 'worker.cjs'), [], { serviceName: 'vectune' });
  ipcMain.on('ask', (_, request) => worker.postMessage(request));
  worker.on('message', (message) => window.webContents.send('told', message));

  if (!CHECK) {
    app.on('window-all-closed', () => app.quit());
  } else {
    ipcMain.on('checked', (_, result) => {
      // The worker is ended in whatever it is at: it must go, and take nobody along.
      worker.once('exit', (code) => {
        console.log(`VECTUNE ${JSON.stringify({ ...result, worker: code, electron: process.versions.electron })}`);
        app.exit(result.failed === undefined ? 0 : 1);
      });
      worker.kill();
    });
    setTimeout(() => {
      console.log('VECTUNE {"failed":"it took longer than four minutes"}');
      app.exit(1);
    }, 240_000).unref();
  }
  void window.loadFile('index.html', CHECK ? { query: { check: '' } } : {});
});
