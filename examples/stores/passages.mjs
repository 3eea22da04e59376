export const passages = [
  'To reset your password, open Settings, then Security, and choose Forgot password.',
  'Parcels are delivered within two to four working days.',
  'You can pay by card, by invoice or with a voucher.',
  'An order can be cancelled until it has been handed to the carrier.',
  'Your invoice is in the e-mail that confirms your order.',
  'We ship to all countries of the European Union, to Norway and to Switzerland.',
];
export const question = 'I forgot my login';
