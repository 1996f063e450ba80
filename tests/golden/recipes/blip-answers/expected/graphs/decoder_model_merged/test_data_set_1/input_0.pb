Bencoder_hidden_statesJ@D¹<U¥v>®=2?
Ä“>tFÕ>N°=·wy>Vİ?Ğ²¿À¢"¾b’î?zÁA?X?ç¯¿ícÂ¿†+Î¿