import { html, type Html } from '../html';

/** A card, two of which stand beside each other on a wide page. */
export function half(title: string, text: string, content: Html): Html {
  return html`<div class="half"><h2>${title}</h2><p class="soft">${text}</p>${content}</div>`;
}
