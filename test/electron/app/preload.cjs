'use strict';
const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('vectune', {
  ask: (request) => ipcRenderer.send('ask', request),
  onTold: (listener) => ipcRenderer.on('told', (_, message) => listener(message)),
  checked: (result) => ipcRenderer.send('checked', result),
});
