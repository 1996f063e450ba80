Bencoder_hidden_statesJ@Í3²¿	Ùh¾Þ˜=?N¸?fîž>&µT?”/
¿q@©?6iV¿ù$l¾Ie>øžj?¸`[½¿ñd?¹¯Õ¿